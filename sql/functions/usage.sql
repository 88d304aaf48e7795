CREATE FUNCTION llm_set_budget(
    role text, per text, tokens double precision DEFAULT NULL, seconds double precision DEFAULT NULL,
    money double precision DEFAULT NULL
) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import usage; return usage.llm_set_budget(role, per, tokens, seconds, money) $$;
COMMENT ON FUNCTION llm_set_budget IS 'Limit what a login role may spend on models in each hour, day or month; NULL takes a limit away.';

-- Without SET search_path, so that the query means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION llm_estimate(query text) RETURNS TABLE (
    model text, task text, calls bigint, distinct_texts bigint, tokens bigint, seconds double precision,
    money double precision
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 2
AS $$ from pg_llm.functions import usage; return usage.llm_estimate(query) $$;
COMMENT ON FUNCTION llm_estimate IS 'What a SELECT would ask each model for, and what that costs, from a run without models and a few real calls.';

CREATE FUNCTION llm.usage_report() RETURNS TABLE (
    role text, model text, day date, calls bigint, texts bigint, cache_hits bigint, tokens_in bigint, tokens_out bigint,
    seconds double precision, money double precision, redacted bigint
)
LANGUAGE plpython3u VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import usage; return usage.usage_report() $$;
COMMENT ON FUNCTION llm.usage_report IS 'The usage that the caller may see, for the view llm_usage.';
