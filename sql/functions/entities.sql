CREATE FUNCTION llm_entities(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold double precision DEFAULT 0
) RETURNS TABLE (entity text, label text, start_pos int, end_pos int, score real)
LANGUAGE plpython3u STABLE COST 20000 ROWS 5 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import entities; return entities.llm_entities(input, labels, model, threshold) $$;
COMMENT ON FUNCTION llm_entities IS 'The named things in a text, in their order: words, kind, place, and how sure the model is.';

CREATE FUNCTION llm_entities_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold double precision DEFAULT 0
) RETURNS TABLE (ordinality bigint, entity text, label text, start_pos int, end_pos int, score real)
LANGUAGE plpython3u STABLE COST 200000 ROWS 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import entities; return entities.llm_entities_batch(inputs, labels, model, threshold) $$;
COMMENT ON FUNCTION llm_entities_batch IS 'The named things in each text, with the text''s position from 1.';
