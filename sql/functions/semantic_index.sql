-- The procedures commit as they go, so they cannot carry SET search_path: they pin it themselves.
CREATE PROCEDURE semantic_index(
    target regclass, columns text[], model text DEFAULT NULL, name text DEFAULT 'embedding',
    method text DEFAULT 'hnsw', metric text DEFAULT 'cosine', sync text DEFAULT 'live'
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_index(target, columns, model, name, method, metric, sync) $$;
COMMENT ON PROCEDURE semantic_index IS 'Index the text of a table''s columns for semantic_search, and keep the index true.';

CREATE PROCEDURE semantic_refresh(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_refresh(target, name) $$;
COMMENT ON PROCEDURE semantic_refresh IS 'Fill in whatever a semantic index lacks: rows of a manual index, of new partitions, of an interrupted fill.';

CREATE PROCEDURE semantic_drop(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_drop(target, name) $$;
COMMENT ON PROCEDURE semantic_drop IS 'Remove a semantic index with its columns and triggers.';

-- jsonb without TRANSFORM: the keys pass through as text, exact and unparsed.
CREATE FUNCTION semantic_sync(target regclass, name text, keys jsonb) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_sync(target, name, keys) $$;
COMMENT ON FUNCTION semantic_sync IS 'Embed the rows with these primary keys that lack an embedding; for the table''s owner.';

-- One for all tables, and the extension's: nobody can plant another under its name. Keys in full, however few digits the
-- writer's session shows.
CREATE FUNCTION llm.semantic_follow() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_follow(TD) $$;
COMMENT ON FUNCTION llm.semantic_follow IS 'Statement trigger of a live semantic index: embeds what was written, with the rights of the table''s owner.';

CREATE FUNCTION llm.semantic_forget() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text := (TG_ARGV[0]::jsonb) ->> 'name';
BEGIN
    RETURN jsonb_populate_record(NEW, jsonb_build_object(name, NULL, name || '_text', NULL));
END
$$;
COMMENT ON FUNCTION llm.semantic_forget IS 'Row trigger of a semantic index: a vector never stands beside text that it does not describe';

-- Anybody may write a trigger on a table of their own; one that makes no sense must not break the list for all.
CREATE FUNCTION llm.semantic_definition(arguments bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    definition jsonb;
BEGIN
    definition := convert_from(substring(arguments, 1, length(arguments) - 1), getdatabaseencoding());
    RETURN CASE WHEN jsonb_typeof(definition -> 'columns') = 'array'
        AND NOT jsonb_path_exists(definition -> 'columns', 'strict $[*] ? (@.type() != "string")')
        AND NOT EXISTS (
            SELECT FROM unnest('{name,model,method,metric,sync,text_config}'::text[]) AS k (key)
            WHERE jsonb_typeof(definition -> k.key) IS DISTINCT FROM 'string'
        )
        AND definition ->> 'metric' IN ('cosine', 'inner_product', 'l2', 'l1')
        THEN definition END;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION llm.semantic_definition IS 'The definition of a semantic index from the arguments of its row trigger; NULL for arguments that are none';
