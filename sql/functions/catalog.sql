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
