-- What indexes of version 0.1.0 need, which lay in the tables themselves: until semantic_upgrade() has moved them.
CREATE PROCEDURE semantic_upgrade(target regclass DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_upgrade; return semantic_upgrade.semantic_upgrade(target) $$;
COMMENT ON PROCEDURE semantic_upgrade IS 'Move semantic indexes of version 0.1.0, which lay in the tables themselves, to companion tables.';

CREATE FUNCTION llm.semantic_forget() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text := (TG_ARGV[0]::jsonb) ->> 'name';
BEGIN
    RETURN jsonb_populate_record(NEW, jsonb_build_object(name, NULL, name || '_text', NULL));
END
$$;
COMMENT ON FUNCTION llm.semantic_forget IS 'Row trigger of a semantic index of version 0.1.0: a vector never stands beside text that it does not describe';

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
