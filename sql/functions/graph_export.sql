CREATE FUNCTION graph_draw(
    graph text DEFAULT NULL, entity bigint DEFAULT NULL, hops bigint DEFAULT 1, limit_to bigint DEFAULT 100
) RETURNS text
LANGUAGE plpython3u STABLE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_export; return graph_export.graph_draw(graph, entity, hops, limit_to) $$;
COMMENT ON FUNCTION graph_draw IS 'A picture of a graph, or of what is near an entity, as SVG.';

CREATE FUNCTION graph_export(graph text, format text DEFAULT 'graphml') RETURNS text
LANGUAGE plpython3u STABLE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_export; return graph_export.graph_export(graph, format) $$;
COMMENT ON FUNCTION graph_export IS 'A graph as GraphML, Turtle, JSON-LD or Cypher, as far as the caller may see it.';
