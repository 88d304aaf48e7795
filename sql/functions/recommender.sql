-- Without SET search_path, so that a query for events means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION llm_fit_recommender(
    name text, events text, user_column text, item_column text, time_column text, weight_column text DEFAULT NULL,
    items regclass DEFAULT NULL, item_key text DEFAULT NULL, item_text text DEFAULT NULL, options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import recommender; return recommender.llm_fit_recommender(name, events, user_column, item_column, time_column, weight_column, items, item_key, item_text, options) $$;
COMMENT ON FUNCTION llm_fit_recommender IS 'Learn from events (a table or a query) which items users want next; returns what was measured on last events.';

CREATE FUNCTION llm_refit(name text, options jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import recommender; return recommender.llm_refit(name, options) $$;
COMMENT ON FUNCTION llm_refit IS 'Learn on from the events there are now, and take in new items; until it commits the old state answers.';

CREATE FUNCTION llm_evaluate_recommender(name text, k bigint DEFAULT 10) RETURNS TABLE (
    metric text, value real, popularity real, neighbours real
)
LANGUAGE plpython3u STABLE ROWS 6 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import recommender; return recommender.llm_evaluate_recommender(name, k) $$;
COMMENT ON FUNCTION llm_evaluate_recommender IS 'How well lists of k items held users'' last events, kept back; beside popularity and neighbours of items.';

CREATE FUNCTION llm_drop_recommender(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import recommender; return recommender.llm_drop_recommender(name) $$;
COMMENT ON FUNCTION llm_drop_recommender IS 'Remove a recommender, its table and its model.';

-- Whoever calls a recommender trusts the author of its query, whom nobody may name but that role and its members.
CREATE FUNCTION llm.recommender_author() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_roles AS me LEFT JOIN pg_roles AS author ON author.rolname = NEW.usename
        WHERE me.rolname = CURRENT_USER AND (me.rolsuper OR pg_has_role(author.oid, 'USAGE'))
    ) THEN
        RAISE EXCEPTION 'must be a member of the role "%" to write in its name', NEW.usename
            USING ERRCODE = 'insufficient_privilege', HINT = 'llm_fit_recommender() makes a recommender of your own.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION llm.recommender_author IS 'Row trigger of llm.recommender: what a recommender reads is said in nobody else''s name';
CREATE TRIGGER author BEFORE INSERT OR UPDATE OF usename, events, query, search_path, user_column, item_column,
    time_column, weight_column, items, item_key, item_text, catalogue ON llm.recommender
FOR EACH ROW EXECUTE FUNCTION llm.recommender_author();
