CREATE FUNCTION graph_fit(graph text, method text DEFAULT 'complex', options jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_reasoning; return graph_reasoning.graph_fit(graph, method, options) $$;
COMMENT ON FUNCTION graph_fit IS 'Learn from a graph which relations are likely; returns what was measured on relations kept back.';

CREATE FUNCTION graph_predict(
    graph text, subject bigint, predicate text, k bigint DEFAULT 10, reverse boolean DEFAULT false
) RETURNS TABLE (object bigint, name text, type text, score real)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_reasoning; return graph_reasoning.graph_predict(graph, subject, predicate, k, reverse) $$;
COMMENT ON FUNCTION graph_predict IS 'The k likeliest objects of a relation that the graph does not hold; with reverse, the subjects for an object.';

CREATE FUNCTION graph_rules(graph text, min_confidence double precision DEFAULT 0.5, min_support bigint DEFAULT 5) RETURNS TABLE (
    rule text, body text[], head text, support bigint, confidence real, pca_confidence real, sql text
)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_reasoning; return graph_reasoning.graph_rules(graph, min_confidence, min_support) $$;
COMMENT ON FUNCTION graph_rules IS 'Rules that hold in a graph, surest first, each with a query for the relations that it would add.';
