-- The extension's own, so that there is nothing to plant beforehand and nothing to replace later. Keys in full, however few
-- digits the writer's session shows.
CREATE FUNCTION llm.graph_follow() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 SET jit = off
AS $$ from pg_llm.functions import graph_follow; return graph_follow.graph_follow(TD) $$;
COMMENT ON FUNCTION llm.graph_follow IS 'Statement trigger of live graphs: reads the rows that changed with the rights of their table''s owner.';
