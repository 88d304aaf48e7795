-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_fit(
    name text, task text, query text, base text DEFAULT NULL, method text DEFAULT NULL, options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import training; return training.llm_fit(name, task, query, base, method, options) $$;
COMMENT ON FUNCTION llm_fit IS 'Train a model on the rows of a query and register it; returns what was measured on rows kept back.';
