CREATE FUNCTION llm_rank(query text, inputs text[], model text DEFAULT NULL)
RETURNS TABLE (ordinality bigint, score real)
LANGUAGE plpython3u STABLE COST 100000 ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import ranking; return ranking.llm_rank(query, inputs, model) $$;
COMMENT ON FUNCTION llm_rank IS 'How relevant each text is to a query, with its position from 1; NULL for NULL.';
