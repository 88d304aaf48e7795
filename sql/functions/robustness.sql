-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_robustness(
    model text, query text, attacks text[] DEFAULT NULL, labels text[] DEFAULT NULL, seed bigint DEFAULT 0
) RETURNS TABLE (attack text, accuracy real, drop real, changed real, examples jsonb)
LANGUAGE plpython3u VOLATILE ROWS 8
AS $$ from pg_llm.functions import robustness; return robustness.llm_robustness(model, query, attacks, labels, seed) $$;
COMMENT ON FUNCTION llm_robustness IS 'The accuracy of a classifier on labelled rows as they are, and with typos, look-alikes, injections and more.';

CREATE FUNCTION llm_drift(model text, query text, current_query text, seed bigint DEFAULT 0) RETURNS TABLE (
    measure text, statistic double precision, p_value double precision, detail jsonb
)
LANGUAGE plpython3u VOLATILE ROWS 3
AS $$ from pg_llm.functions import robustness; return robustness.llm_drift(model, query, current_query, seed) $$;
COMMENT ON FUNCTION llm_drift IS 'Whether a model''s texts, answers and confidence are others than they were, by permutation tests.';
