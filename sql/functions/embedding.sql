CREATE FUNCTION llm_embed(input text, model text DEFAULT NULL) RETURNS vector
LANGUAGE plpython3u STABLE COST 10000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import embedding; return embedding.llm_embed(input, model) $$;
COMMENT ON FUNCTION llm_embed IS 'The embedding of a text as a unit vector; NULL for NULL.';

CREATE FUNCTION llm_embed_batch(inputs text[], model text DEFAULT NULL)
RETURNS TABLE (ordinality bigint, embedding vector)
LANGUAGE plpython3u STABLE COST 100000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import embedding; return embedding.llm_embed_batch(inputs, model) $$;
COMMENT ON FUNCTION llm_embed_batch IS 'The embedding of each text with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_similarity(a text, b text, model text DEFAULT NULL) RETURNS real
LANGUAGE plpython3u STABLE COST 20000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import embedding; return embedding.llm_similarity(a, b, model) $$;
COMMENT ON FUNCTION llm_similarity IS 'The cosine similarity of two texts'' embeddings, from -1 to 1; NULL if one is NULL.';
