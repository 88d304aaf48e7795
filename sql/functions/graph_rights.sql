-- Once or twice in every question to a graph: planning its query anew would cost ten times more than running it.
CREATE FUNCTION llm.readable_graph_sources(whole boolean) RETURNS int[]
LANGUAGE plpython3u STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_rights; return graph_rights.readable_graph_sources(whole) $$;
COMMENT ON FUNCTION llm.readable_graph_sources IS 'The sources of graphs whose every row the caller may read, or those where row-level security decides.';

-- Cheap by its word: a view whose cost is estimated high would be compiled (jit), which takes seconds.
CREATE FUNCTION llm.graph_row_readable(source int, key jsonb) RETURNS boolean
LANGUAGE plpython3u STABLE COST 1 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_rights; return graph_rights.graph_row_readable(source, key) $$;
COMMENT ON FUNCTION llm.graph_row_readable IS 'Whether the caller''s row-level security shows a row that a graph has read; the views of graphs call it.';
