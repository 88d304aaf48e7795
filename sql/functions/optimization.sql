-- Without SET search_path, so that the statement means what it means to the caller; what follows is pinned inside.
-- VOLATILE, as PostgreSQL lets no other function use EXPLAIN.
CREATE FUNCTION llm_optimize(sql text) RETURNS TABLE (
    kind text, suggestion text, before_cost double precision, after_cost double precision, evidence text
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 5
AS $$ from pg_llm.functions import optimization; return optimization.llm_optimize(sql) $$;
COMMENT ON FUNCTION llm_optimize IS 'What would make a SELECT cheaper: indexes, statistics, rewrites, with the planner''s costs; nothing is changed.';
