-- Planning the views anew for every call, or compiling the plan, would cost more than running it.
CREATE FUNCTION graph_search(query text, graph text DEFAULT NULL, k bigint DEFAULT 10) RETURNS TABLE (
    entity bigint, name text, type text, score real, aliases text[]
)
LANGUAGE plpython3u STABLE COST 20000 ROWS 10 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_search; return graph_search.graph_search(query, graph, k) $$;
COMMENT ON FUNCTION graph_search IS 'The k entities of a graph that best match a query, by name and by meaning, best first.';

CREATE FUNCTION graph_neighbors(entity bigint, hops bigint DEFAULT 1, predicates text[] DEFAULT NULL) RETURNS TABLE (
    neighbor bigint, name text, type text, distance int, via bigint, predicate text, forward boolean, confidence real
)
LANGUAGE plpython3u STABLE ROWS 100 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_search; return graph_search.graph_neighbors(entity, hops, predicates) $$;
COMMENT ON FUNCTION graph_neighbors IS 'The entities that a few relations lead to from one, in either direction, nearest first, then surest.';

CREATE FUNCTION graph_paths(a bigint, b bigint, max_hops bigint DEFAULT 4, k bigint DEFAULT 5) RETURNS TABLE (
    path int, hops int, entities bigint[], names text[], predicates text[], forward boolean[], confidence real
)
LANGUAGE plpython3u STABLE ROWS 5 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_search; return graph_search.graph_paths(a, b, max_hops, k) $$;
COMMENT ON FUNCTION graph_paths IS 'The k best ways from one entity to another over relations in either direction, shortest first, then surest.';
