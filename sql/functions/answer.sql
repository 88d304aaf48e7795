-- jsonb without TRANSFORM: filter and citations pass through as text.
CREATE FUNCTION semantic_answer(
    question text, target regclass, k bigint DEFAULT 5, model text DEFAULT NULL, also regclass[] DEFAULT NULL,
    filter jsonb DEFAULT NULL, name text DEFAULT NULL, rerank text DEFAULT NULL, entailment text DEFAULT NULL,
    threshold double precision DEFAULT 0.5
) RETURNS TABLE (answer text, citations jsonb, confidence real)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1
SET search_path = pg_catalog, pg_temp
SET hnsw.iterative_scan = 'strict_order' SET hnsw.ef_search = 100
SET ivfflat.iterative_scan = 'relaxed_order' SET ivfflat.probes = 10
AS $$ from pg_llm.functions import answer; return answer.semantic_answer(question, target, k, model, also, filter, name, rerank, entailment, threshold) $$;
COMMENT ON FUNCTION semantic_answer IS 'The answer to a question from the texts of tables, with checked citations; NULL where they do not answer it.';
