-- The procedure commits as it goes, so it cannot carry SET search_path: it pins it itself.
CREATE PROCEDURE llm_catalog_refresh(schemas text[] DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import catalog; return catalog.llm_catalog_refresh(schemas) $$;
COMMENT ON PROCEDURE llm_catalog_refresh IS 'Embed names and meanings of the tables and columns that you may read, so that questions find them among many.';

-- Without SET search_path: names are looked up as the caller writes them.
CREATE FUNCTION llm_describe(object text, text text) RETURNS void
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import catalog; return catalog.llm_describe(object, text) $$;
COMMENT ON FUNCTION llm_describe IS 'Say what a table or column means in your questions; NULL takes it back.';

CREATE FUNCTION llm_teach(question text, sql text) RETURNS void
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import catalog; return catalog.llm_teach(question, sql) $$;
COMMENT ON FUNCTION llm_teach IS 'Say which SELECT answers a question, so that similar ones of yours are answered so; NULL forgets it.';

-- Without SET search_path: the table and its columns are looked up as the caller sees them.
CREATE FUNCTION llm_define_metric(name text, expression text, target regclass DEFAULT NULL, synonyms text[] DEFAULT NULL) RETURNS void
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import catalog; return catalog.llm_define_metric(name, expression, target, synonyms) $$;
COMMENT ON FUNCTION llm_define_metric IS 'Say by which aggregate over a table a word of your questions is computed; NULL forgets it.';

CREATE FUNCTION llm_catalog_export() RETURNS text
LANGUAGE plpython3u STABLE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import catalog; return catalog.llm_catalog_export() $$;
COMMENT ON FUNCTION llm_catalog_export IS 'Your descriptions, metrics and taught questions as one YAML text, to keep under version control.';

-- Without SET search_path: names and SQL are looked up as the caller writes them.
CREATE FUNCTION llm_catalog_import(yaml text) RETURNS TABLE (kind text, entries int)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 3
AS $$ from pg_llm.functions import catalog; return catalog.llm_catalog_import(yaml) $$;
COMMENT ON FUNCTION llm_catalog_import IS 'Describe, define and teach all that a text of llm_catalog_export() says, in place of what you said before.';
