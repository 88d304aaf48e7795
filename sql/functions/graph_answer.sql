CREATE FUNCTION graph_context(question text, graph text DEFAULT NULL, token_limit bigint DEFAULT 1000) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ from pg_llm.functions import graph_answer; return graph_answer.graph_context(question, graph, token_limit) $$;
COMMENT ON FUNCTION graph_context IS 'What a graph says that bears on a question, as text with citations, for a prompt.';

CREATE FUNCTION graph_answer(question text, graph text DEFAULT NULL) RETURNS TABLE (answer text, confidence real, evidence jsonb)
LANGUAGE plpython3u STABLE COST 100000 ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ from pg_llm.functions import graph_answer; return graph_answer.graph_answer(question, graph) $$;
COMMENT ON FUNCTION graph_answer IS 'The answer to a question that a graph holds, with its evidence; NULL where it does not hold it.';
