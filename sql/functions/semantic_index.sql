-- The procedures commit as they go, so they cannot carry SET search_path: they pin it themselves.
CREATE PROCEDURE semantic_index(
    target regclass, columns text[], model text DEFAULT NULL, name text DEFAULT NULL, method text DEFAULT 'hnsw',
    metric text DEFAULT 'cosine', sync text DEFAULT 'live', key text[] DEFAULT NULL, chunking text DEFAULT 'auto',
    chunk_tokens bigint DEFAULT NULL, chunk_overlap bigint DEFAULT 0, template text DEFAULT NULL,
    storage text DEFAULT 'vector', sentences text DEFAULT 'outlying'
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_index(target, columns, model, name, method, metric, sync, key, chunking, chunk_tokens, chunk_overlap, template, storage, sentences) $$;
COMMENT ON PROCEDURE semantic_index IS 'Index the text of a table''s columns for semantic_search, and keep the index true.';

CREATE PROCEDURE semantic_refresh(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_refresh(target, name) $$;
COMMENT ON PROCEDURE semantic_refresh IS 'Make a semantic index true: rows of a manual index, of new partitions, of an interrupted fill, of a replica.';

CREATE PROCEDURE semantic_drop(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_drop(target, name) $$;
COMMENT ON PROCEDURE semantic_drop IS 'Remove a semantic index with its companion table and triggers.';

-- jsonb without TRANSFORM: the keys pass through as text, exact and unparsed. Keys and texts are the same whatever the
-- session is set to.
CREATE FUNCTION semantic_sync(target regclass, name text, keys jsonb) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_sync(target, name, keys) $$;
COMMENT ON FUNCTION semantic_sync IS 'Make the chunks of the rows with these keys true; for the table''s owner.';

-- One for all tables, and the extension's: nobody can plant another under its name. Keys and texts
-- are the same whatever the writer's session is set to.
CREATE FUNCTION llm.follow_index() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
AS $$ from pg_llm.functions import semantic_index; return semantic_index.follow_index(TD) $$;
COMMENT ON FUNCTION llm.follow_index IS 'Statement trigger of a live semantic index: makes chunks of what was written, as the table''s owner.';
