-- Dear, so that whatever is cheaper is asked first.
CREATE FUNCTION llm.graph_row_readable(source int, key jsonb) RETURNS boolean
LANGUAGE plpython3u STABLE COST 10000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_rights; return graph_rights.graph_row_readable(source, key) $$;
COMMENT ON FUNCTION llm.graph_row_readable IS 'Whether the caller''s row-level security shows a row that a graph has read; the views of graphs call it.';
