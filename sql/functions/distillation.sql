-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_distill(
    name text, base text DEFAULT NULL, method text DEFAULT 'static', vocabulary_query text DEFAULT NULL,
    options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import distillation; return distillation.llm_distill(name, base, method, vocabulary_query, options) $$;
COMMENT ON FUNCTION llm_distill IS 'Make a small, fast embedding model of a large one and register it; returns how well both agree on other texts.';
