-- The extension's own, so that there is nothing to plant beforehand and nothing to replace later. Keys and texts are the
-- same whatever the writer's session is set to.
CREATE FUNCTION llm.graph_follow() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET jit = off
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
AS $$ from pg_llm.functions import graph_follow; return graph_follow.graph_follow(TD) $$;
COMMENT ON FUNCTION llm.graph_follow IS 'Statement trigger of live graphs: reads the rows that changed with the rights of their table''s owner.';
