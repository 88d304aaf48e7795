CREATE FUNCTION graph_resolve(graph text, threshold double precision DEFAULT 0.85) RETURNS TABLE (
    kept bigint, name text, merged bigint, merged_name text, score real, reason text
)
LANGUAGE plpython3u VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_resolve(graph, threshold) $$;
COMMENT ON FUNCTION graph_resolve IS 'Find the entities of a graph that are one thing under several names, and merge them; returns what was merged.';

CREATE FUNCTION graph_merge(a text, b text, threshold double precision DEFAULT 0.85) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_merge(a, b, threshold) $$;
COMMENT ON FUNCTION graph_merge IS 'Read all that graph b is made from into graph a too, and resolve it; returns how many entities were merged.';

CREATE FUNCTION graph_merge_entities(kept bigint, merged bigint) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_merge_entities(kept, merged) $$;
COMMENT ON FUNCTION graph_merge_entities IS 'Say that two entities of a graph are one thing: the first stands for both from now on.';

CREATE FUNCTION graph_unmerge(entity bigint DEFAULT NULL, graph text DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_unmerge(entity, graph) $$;
COMMENT ON FUNCTION graph_unmerge IS 'Undo the merging of one entity, which is remembered, or of all in a graph; returns how many stand alone again.';

CREATE FUNCTION graph_conflicts(graph text) RETURNS TABLE (
    subject bigint, subject_name text, predicate text, objects text[], confidences real[], evidence jsonb
)
LANGUAGE plpython3u STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_conflicts(graph) $$;
COMMENT ON FUNCTION graph_conflicts IS 'Where a relation that can have one object has several: the likeliest first, with what speaks for each.';
