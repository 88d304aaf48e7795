-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_effect(
    query text, treatment text, outcome text, confounders text[], instruments text[] DEFAULT NULL,
    method text DEFAULT 'auto'
) RETURNS TABLE (
    estimate double precision, low double precision, high double precision, unadjusted double precision, rows bigint,
    null_rows bigint, method text, refutations jsonb, assumptions text
)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 1
AS $$ from pg_llm.functions import effect; return effect.llm_effect(query, treatment, outcome, confounders, instruments, method) $$;
COMMENT ON FUNCTION llm_effect IS 'The effect of a treatment on an outcome, adjusted for confounders, with attempts to refute it.';
