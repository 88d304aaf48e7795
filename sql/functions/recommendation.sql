-- jsonb without TRANSFORM: filters pass through as text, exact and unparsed.
CREATE FUNCTION recommend(
    user_id text, k bigint DEFAULT 10, recommender text DEFAULT NULL, exclude_seen boolean DEFAULT true,
    filter jsonb DEFAULT NULL, diversity double precision DEFAULT 0
) RETURNS TABLE (item text, score real, reason text)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.recommend(user_id, k, recommender, exclude_seen, filter, diversity) $$;
COMMENT ON FUNCTION recommend IS 'The k items that a user most probably wants next, best first, after the events there are at this moment.';

CREATE FUNCTION recommend_for(
    items text[], k bigint DEFAULT 10, recommender text DEFAULT NULL, exclude_seen boolean DEFAULT true,
    filter jsonb DEFAULT NULL, diversity double precision DEFAULT 0
) RETURNS TABLE (item text, score real, reason text)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.recommend_for(items, k, recommender, exclude_seen, filter, diversity) $$;
COMMENT ON FUNCTION recommend_for IS 'As recommend(), for a session without a user: after these items, the latest last.';

CREATE FUNCTION recommend_batch(
    user_ids text[], k bigint DEFAULT 10, recommender text DEFAULT NULL, exclude_seen boolean DEFAULT true,
    filter jsonb DEFAULT NULL, diversity double precision DEFAULT 0
) RETURNS TABLE (user_id text, rank int, item text, score real, reason text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.recommend_batch(user_ids, k, recommender, exclude_seen, filter, diversity) $$;
COMMENT ON FUNCTION recommend_batch IS 'What recommend() gives for each of many users, with the place in the list from 1.';

CREATE FUNCTION similar_items(item text, k bigint DEFAULT 10, recommender text DEFAULT NULL) RETURNS TABLE (
    similar_item text, score real
)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.similar_items(item, k, recommender) $$;
COMMENT ON FUNCTION similar_items IS 'The k items whose vectors are most like that of an item, by cosine from -1 to 1; none for an unknown item.';
