-- It commits as it goes, so it cannot carry SET search_path: it pins it itself.
CREATE PROCEDURE llm_work(max_rows bigint DEFAULT NULL, INOUT done bigint DEFAULT NULL, INOUT failed bigint DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import work; return work.llm_work(max_rows, done, failed) $$;
COMMENT ON PROCEDURE llm_work IS 'Do the background work that waits and that the caller has the rights for; counts rows done and failed.';

CREATE FUNCTION llm_retry_work(target regclass DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import work; return work.llm_retry_work(target) $$;
COMMENT ON FUNCTION llm_retry_work IS 'Let rows whose work failed be tried again at once, of one table or of all the caller''s; returns how many.';

CREATE FUNCTION llm.announce_worker() RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import work; return work.announce_worker() $$;
COMMENT ON FUNCTION llm.announce_worker IS 'Make the session one that is told of new work and that llm_workers shows.';

-- A trigger may be renamed while the statement runs that fires it; by its name another one is found then, and what that one
-- calls its transition tables is whatever the writer calls so. Triggers cannot be dropped or replaced meanwhile, so the one
-- that fired is among those of the table. Not in SQL, where each call would plan it.
CREATE FUNCTION llm.is_trigger_as_fired(relation oid, trigger name, event text, function regprocedure) RETURNS bool
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN (
        SELECT g.tgtype & e.bit <> 0 AND (age(g.xmin) > age(pg_current_xact_id()::xid) OR NOT EXISTS (
            SELECT FROM pg_trigger AS o WHERE o.tgrelid = g.tgrelid AND o.tgfoid = g.tgfoid
            AND o.tgtype & (e.bit | 1) = e.bit AND (o.tgnewtable, o.tgoldtable) IS DISTINCT FROM (g.tgnewtable, g.tgoldtable)
        ))
        FROM pg_trigger AS g JOIN (VALUES ('INSERT', 4), ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)) AS e (name, bit)
        ON e.name = event WHERE g.tgrelid = relation AND g.tgname = trigger AND g.tgfoid = function
    );
END
$$;
COMMENT ON FUNCTION llm.is_trigger_as_fired IS 'Whether the statement trigger that is found by its name has the transition tables of the one that fires';

-- Keys and texts in one form, whatever the writer's session shows. In SQL, as a writer's first statement must not wait for
-- Python to start, and planned once, as planning takes longer than all the rest. It has the rights to write to the queue and
-- reads none of the caller's objects: transition tables come before relations of their names, values become text by the
-- output functions of their types.
CREATE FUNCTION llm.enqueue_work() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET bytea_output = 'hex' SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET timezone = 'UTC'
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    new_rows text;
    old_rows text;
    row_key text;
    differs text;
    is_known bool;
    keys text;
BEGIN
    IF TG_WHEN <> 'AFTER' OR TG_NARGS <> 2 OR TG_ARGV[1] !~ '^[1-9][0-9]{0,8}$' THEN
        RETURN NULL;
    END IF;
    -- NULL where the trigger has no such table: one made by hand finds nothing, whatever else has the name.
    SELECT 'SELECT ' || k.object || ' AS key, t.* FROM '
           || CASE TG_LEVEL WHEN 'ROW' THEN '(SELECT ($3).*)' ELSE quote_ident(g.tgnewtable) END || ' AS t',
           'SELECT ' || k.object || ' AS key, t.* FROM '
           || CASE TG_LEVEL WHEN 'ROW' THEN '(SELECT ($4).*)' ELSE quote_ident(g.tgoldtable) END || ' AS t',
           k.object, i.differs, TG_LEVEL = 'ROW' OR llm.is_trigger_as_fired(TG_RELID, TG_NAME, TG_OP, 'llm.enqueue_work()')
    INTO new_rows, old_rows, row_key, differs, is_known
    FROM llm.companion_table AS s
    JOIN pg_trigger AS g ON g.tgrelid = TG_RELID AND g.tgname = TG_NAME
    CROSS JOIN LATERAL (
        SELECT 'jsonb_build_object(' || string_agg(format(
            CASE WHEN a.atttypid < 16384 THEN '%L, t.%2$I' ELSE '%L, format(''%%s'', t.%2$I)' END, a.attname, a.attname
        ), ', ') || ')' AS object
        FROM pg_attribute AS a WHERE a.attrelid = TG_RELID AND a.attname = ANY(s.key) AND array_position(s.key, NULL) IS NULL
    ) AS k
    CROSS JOIN LATERAL (
        SELECT string_agg(CASE
            -- A virtual column has no value here.
            WHEN a.attgenerated = 'v' THEN 'true'
            WHEN a.atttypid < 16384
            THEN format('n.%1$I::text COLLATE "C" IS DISTINCT FROM o.%1$I::text', a.attname)
            ELSE format('(n.%1$I IS NULL) <> (o.%1$I IS NULL) OR format(''%%s'', n.%1$I) COLLATE "C" <> format(''%%s'', o.%1$I)', a.attname)
        END, ' OR ') AS differs
        FROM pg_attribute AS a WHERE a.attrelid = TG_RELID AND a.attname = ANY(s.inputs)
    ) AS i
    WHERE s.kind = TG_ARGV[0] AND s.id = TG_ARGV[1]::int4
    AND (s.source = TG_RELID OR s.source IN (SELECT a.relation FROM llm.relation_ancestors(TG_RELID) AS a (relation)));
    -- Rows that cannot be told may be any.
    keys := CASE CASE WHEN is_known THEN TG_OP ELSE 'TRUNCATE' END
        WHEN 'INSERT' THEN 'SELECT n.key FROM (' || new_rows || ') AS n'
        WHEN 'DELETE' THEN 'SELECT o.key FROM (' || old_rows || ') AS o'
        WHEN 'UPDATE' THEN
            'SELECT coalesce(n.key, o.key) FROM (' || new_rows || ') AS n FULL JOIN (' || old_rows || ') AS o'
            || ' ON n.key = o.key WHERE n.key IS NULL OR o.key IS NULL OR ' || differs
        ELSE CASE WHEN row_key IS NOT NULL THEN 'SELECT NULL::jsonb' END
    END;
    IF keys IS NULL THEN
        RETURN NULL;
    END IF;
    -- A request that waits already is locked: until this transaction ends nobody works on it, who would read the row as it
    -- was and take the request for done. In one order, so that no two writers wait for each other.
    EXECUTE format(
        'INSERT INTO llm.all_work AS w (kind, object, key)'
        ' SELECT $1, $2, k.key FROM (%s) AS k (key) GROUP BY k.key ORDER BY k.key'
        ' ON CONFLICT (kind, object, key_hash, state) DO UPDATE SET state = w.state WHERE false', keys
    ) USING TG_ARGV[0], TG_ARGV[1]::int4, NEW, OLD;
    -- A transaction that notifies cannot be prepared; there workers look by themselves.
    -- One that notifies while others have filled the queue of notifications would fail.
    IF current_setting('max_prepared_transactions') = '0' AND EXISTS (SELECT FROM llm.all_worker)
       AND pg_notification_queue_usage() < 0.5 THEN
        PERFORM pg_notify('llm_work', '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION llm.enqueue_work IS 'Trigger of what is kept true in the background: puts the keys of the rows that changed into the queue';
