-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_compress(name text, base text, method text, query text, target jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import compression; return compression.llm_compress(name, base, method, query, target) $$;
COMMENT ON FUNCTION llm_compress IS 'Make a smaller, faster model of another and register it; returns size, speed and quality of both.';

CREATE FUNCTION llm_pareto(base text, query text, methods text[] DEFAULT NULL) RETURNS TABLE (
    method text, bytes bigint, file_bytes bigint, rows_per_second real, quality real, cosine real, seconds real,
    on_front boolean
)
LANGUAGE plpython3u VOLATILE ROWS 7
AS $$ from pg_llm.functions import compression; return compression.llm_pareto(base, query, methods) $$;
COMMENT ON FUNCTION llm_pareto IS 'What each method of compression makes of a model: its size, speed and quality on rows kept back.';
