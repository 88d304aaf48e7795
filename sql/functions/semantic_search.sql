-- jsonb without TRANSFORM: filter and rows pass through as text, exact and unparsed. Keys and texts
-- are the same whatever the session is set to.
CREATE FUNCTION semantic_search(
    query text, target regclass, k bigint DEFAULT 10, mode text DEFAULT 'hybrid', filter jsonb DEFAULT NULL,
    name text DEFAULT NULL, group_by text DEFAULT 'row', min_score double precision DEFAULT NULL, rerank text DEFAULT NULL,
    rerank_k bigint DEFAULT 50
) RETURNS TABLE (key jsonb, score real, "row" jsonb, passage text, start_pos int, end_pos int)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
SET hnsw.iterative_scan = 'strict_order' SET hnsw.ef_search = 100
SET ivfflat.iterative_scan = 'relaxed_order' SET ivfflat.probes = 10
AS $$ from pg_llm.functions import semantic_search; return semantic_search.semantic_search(query, target, k, mode, filter, name, group_by, min_score, rerank, rerank_k) $$;
COMMENT ON FUNCTION semantic_search IS 'The k rows of a table that best match a query, best first: primary key, score, row and the best passage.';

CREATE FUNCTION semantic_search_by(
    embedding vector, target regclass, k bigint DEFAULT 10, filter jsonb DEFAULT NULL, name text DEFAULT NULL,
    group_by text DEFAULT 'row', min_score double precision DEFAULT NULL
) RETURNS TABLE (key jsonb, score real, "row" jsonb, passage text, start_pos int, end_pos int)
LANGUAGE plpython3u STABLE COST 10000 ROWS 10
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
SET hnsw.iterative_scan = 'strict_order' SET hnsw.ef_search = 100
SET ivfflat.iterative_scan = 'relaxed_order' SET ivfflat.probes = 10
AS $$ from pg_llm.functions import semantic_search; return semantic_search.semantic_search_by(embedding, target, k, filter, name, group_by, min_score) $$;
COMMENT ON FUNCTION semantic_search_by IS 'The k rows of a table whose passages are nearest to a vector, nearest first, as semantic_search gives them.';
