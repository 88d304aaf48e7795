-- Statement triggers that tell an AFTER function what was written, on a table and on all its parts. Triggers that fire for
-- logical replication only: for each row, as that fires no statement triggers but those of TRUNCATE. They depend on the extension: writes go on without it.
CREATE FUNCTION llm.create_companion_triggers(kind text, id int, source regclass, sync text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part regclass;
    trigger text;
    event text;
    transition text;
    level text;
    call text := CASE WHEN sync = 'background' THEN format('llm.enqueue_work(%L, %L)', kind, id)
                      ELSE format('llm.follow_%s(%L)', kind, id) END;
BEGIN
    IF sync = 'manual' THEN
        RETURN;
    END IF;
    -- The source first: its row trigger is cloned to partitions.
    FOR part IN
        SELECT t.relation FROM llm.relation_tree(source) AS t (relation) JOIN pg_class AS c ON c.oid = t.relation
        WHERE c.relkind IN ('r', 'p') ORDER BY c.oid <> source, c.oid
    LOOP
        FOR event, transition IN VALUES
            ('insert', 'REFERENCING NEW TABLE AS changed'), ('delete', 'REFERENCING OLD TABLE AS former'),
            ('update', 'REFERENCING OLD TABLE AS former NEW TABLE AS changed'), ('truncate', '')
        LOOP
            trigger := format('llm_%s_%s_%s', kind, id, event);
            CONTINUE WHEN EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = part AND g.tgname = trigger);
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION %s',
                           trigger, event, part, transition, call);
            EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION pg_llm', trigger, part);
        END LOOP;
        FOR trigger, event, level IN VALUES
            ('replica', 'INSERT OR UPDATE OR DELETE', 'ROW'), ('replica_truncate', 'TRUNCATE', 'STATEMENT')
        LOOP
            trigger := format('llm_%s_%s_%s', kind, id, trigger);
            CONTINUE WHEN EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = part AND g.tgname = trigger);
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s FOR EACH %s EXECUTE FUNCTION llm.enqueue_work(%L, %L)',
                           trigger, event, part, level, kind, id);
            EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION pg_llm', trigger, part);
            EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', part, trigger);
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION llm.create_companion_triggers IS 'Create the missing triggers that keep a companion table true, on its source and the parts of it';

CREATE FUNCTION llm.drop_companion_triggers(kind text, id int, source regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part regclass;
    trigger name;
BEGIN
    -- Also those of parts that were detached. Clones on partitions go with their parent's.
    FOR part, trigger IN
        SELECT g.tgrelid::regclass, g.tgname FROM pg_trigger AS g
        WHERE g.tgname ~ format('^llm_%s_%s_(insert|update|delete|truncate|replica|replica_truncate)$', kind, id) AND g.tgparentid = 0
        AND pg_has_role((SELECT c.relowner FROM pg_class AS c WHERE c.oid = g.tgrelid), 'USAGE')
        AND g.tgfoid IN (SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'llm'::regnamespace)
        AND (drop_companion_triggers.source IS NULL
             OR g.tgrelid NOT IN (SELECT t.relation FROM llm.relation_tree(source) AS t (relation)))
    LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', trigger, part);
    END LOOP;
END
$$;
COMMENT ON FUNCTION llm.drop_companion_triggers IS 'Drop the triggers that keep a companion table true, on all tables, or on those that are no part of a source any more';

-- Definer: it removes what describes nothing, whoever calls it.
CREATE FUNCTION llm.prune_companions() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM llm.all_semantic_index AS i
    WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = i.source)
    OR NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = i.companion);
    DELETE FROM llm.all_column AS a
    WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = a.source)
    OR NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = a.companion);
END
$$;
COMMENT ON FUNCTION llm.prune_companions IS 'Forget companion tables that are no more, or whose source is no more';

-- Once a query, with the rights of whoever reads the companion: privileges on the columns that were indexed, and row-level
-- security, are asked of the source.
CREATE FUNCTION llm.readable_keys(kind text, id int) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 10000 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    query text;
BEGIN
    SELECT format(
        'SELECT %s FROM (SELECT %s FROM %s AS t) AS t',
        (SELECT string_agg(format('t.k%s::%s', n.place, format_type(a.atttypid, -1)), ', ' ORDER BY n.place)
         FROM unnest(i.key) WITH ORDINALITY AS n (name, place)
         JOIN pg_attribute AS a ON a.attrelid = i.companion AND a.attnum = n.place),
        (SELECT string_agg(format('t.%I%s', n.name, ' AS k' || n.key_place), ', ')
         FROM (
             SELECT k.name, k.place AS key_place FROM unnest(i.key) WITH ORDINALITY AS k (name, place)
             UNION ALL
             SELECT w.name, NULL FROM unnest(i.inputs) AS w (name) WHERE w.name IS NOT NULL
         ) AS n),
        i.source
    ) INTO query FROM llm.companion_table AS i WHERE i.kind = readable_keys.kind AND i.id = readable_keys.id;
    IF query IS NOT NULL THEN
        RETURN QUERY EXECUTE query;
    END IF;
END
$$;
COMMENT ON FUNCTION llm.readable_keys IS 'The keys of the rows of an indexed source that the caller may read';

CREATE FUNCTION llm.create_companion_policy(companion regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind text;
    id int;
    keys text;
    typed text;
BEGIN
    SELECT t.kind, t.id, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
           string_agg(format('%I %s', a.attname, format_type(a.atttypid, -1)), ', ' ORDER BY a.attnum)
    INTO kind, id, keys, typed
    FROM llm.companion_table AS t JOIN pg_attribute AS a
    ON a.attrelid = t.companion AND a.attnum BETWEEN 1 AND cardinality(t.key_numbers)
    WHERE t.companion = create_companion_policy.companion GROUP BY t.kind, t.id;
    EXECUTE format(
        'CREATE POLICY readable ON %s FOR SELECT USING ((%s) IN (SELECT r.* FROM llm.readable_keys(%L, %s) AS r (%s)))',
        companion, keys, kind, id, typed
    );
END
$$;
COMMENT ON FUNCTION llm.create_companion_policy IS 'Let whoever may read a row of the source read its chunks';

CREATE FUNCTION llm.companion_key_conversion(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT string_agg(format('ALTER COLUMN %1$I TYPE %2$s USING %1$I::text::%2$s', own.attname, format_type(a.atttypid, -1)), ', ')
FROM llm.companion_table AS t CROSS JOIN LATERAL unnest(t.key_numbers) WITH ORDINALITY AS n (number, place)
JOIN pg_attribute AS a ON a.attrelid = t.source AND a.attnum = n.number AND NOT a.attisdropped
JOIN pg_attribute AS own ON own.attrelid = t.companion AND own.attnum = n.place AND NOT own.attisdropped
JOIN pg_type AS y ON y.oid = a.atttypid AND y.typtype <> 'd'
WHERE t.companion = relation AND t.number = t.source::oid AND own.atttypid <> a.atttypid
$$;
COMMENT ON FUNCTION llm.companion_key_conversion IS 'What gives the key of a companion table the types that its source''s key has; NULL where it has them';

CREATE FUNCTION llm.convert_companion_key(relation regclass) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import companion; return companion.convert_companion_key(relation) $$;
COMMENT ON FUNCTION llm.convert_companion_key IS 'Give the key of a companion table the types that its source''s key has, as its owner.';

-- With the rights of whoever changes the schema: it touches only what belongs to the tables of the command.
CREATE FUNCTION llm.companion_ddl() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    k record;
BEGIN
    IF NOT EXISTS (SELECT FROM llm.companion_table) THEN
        RETURN;
    END IF;
    IF TG_EVENT = 'sql_drop' THEN
        FOR k IN
            SELECT t.kind, t.id, t.companion, d.objid = t.source::oid AS orphaned
            FROM pg_event_trigger_dropped_objects() AS d
            JOIN llm.companion_table AS t ON d.objid IN (t.source::oid, t.companion::oid)
            WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0
        LOOP
            IF k.orphaned THEN
                IF EXISTS (SELECT FROM pg_class AS c WHERE c.oid = k.companion) THEN
                    BEGIN
                        EXECUTE format('DROP TABLE %s', k.companion);
                    EXCEPTION WHEN dependent_objects_still_exist THEN
                        -- A view of somebody's on it is no reason why the source could not go.
                        EXECUTE format('TRUNCATE %s', k.companion);
                        RAISE NOTICE 'table % stays, empty, as other objects depend on it', k.companion;
                    END;
                END IF;
            ELSE
                PERFORM llm.drop_companion_triggers(k.kind, k.id, NULL);
            END IF;
        END LOOP;
        PERFORM llm.prune_companions();
        RETURN;
    END IF;
    FOR k IN
        SELECT DISTINCT t.kind, t.id, t.source, t.companion, t.sync, d.objid = t.source::oid AS itself,
               c.relkind IN ('r', 'p') AND EXISTS (
                   SELECT FROM llm.relation_tree(t.source) AS p (relation) JOIN pg_class AS f ON f.oid = p.relation
                   WHERE f.relkind = 'f'
               ) AS foreign_part
        FROM pg_event_trigger_ddl_commands() AS d
        CROSS JOIN LATERAL llm.relation_ancestors(d.objid::regclass) AS a (relation)
        JOIN llm.companion_table AS t ON t.source = a.relation JOIN pg_class AS c ON c.oid = t.source
        WHERE d.classid = 'pg_class'::regclass
    LOOP
        IF k.sync <> 'manual' AND k.foreign_part THEN
            RAISE EXCEPTION 'rows that go to a foreign table cannot be followed by the companion table %', k.companion
                USING ERRCODE = 'feature_not_supported',
                HINT = 'Drop it, or make it with sync => ''manual'', before a foreign table becomes a part of its source.';
        END IF;
        IF k.itself AND (SELECT s.relowner <> c.relowner FROM pg_class AS s, pg_class AS c
                         WHERE s.oid = k.source AND c.oid = k.companion) THEN
            EXECUTE format('ALTER TABLE %s OWNER TO %I', k.companion, (
                SELECT pg_get_userbyid(s.relowner) FROM pg_class AS s WHERE s.oid = k.source
            ));
        END IF;
        IF k.itself THEN
            -- It rewrites the companion, and so runs whatever its owner has put there.
            PERFORM llm.convert_companion_key(k.companion) WHERE llm.companion_key_conversion(k.companion) IS NOT NULL;
            PERFORM llm.drop_companion_triggers(k.kind, k.id, k.source);
        END IF;
        -- Not before the source has all of its own: those that a restore is going to make would be there twice.
        IF (SELECT count(*) = 6 FROM pg_trigger AS g
            WHERE g.tgrelid = k.source AND g.tgname ~ format('^llm_%s_%s_[a-z_]+$', k.kind, k.id)) THEN
            PERFORM llm.create_companion_triggers(k.kind, k.id, k.source, k.sync);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION llm.companion_ddl IS 'Event trigger: companion tables follow their sources through DROP, ALTER OWNER and new or detached parts';

-- Definer, to write to the queue: that all rows of the table that is being written anew may have other texts.
CREATE FUNCTION llm.companion_rewrite() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO llm.all_work AS w (kind, object, key)
    SELECT t.kind, t.id, NULL FROM llm.relation_ancestors(pg_event_trigger_table_rewrite_oid()) AS a (relation)
    JOIN llm.companion_table AS t ON t.source = a.relation WHERE t.sync <> 'manual'
    ON CONFLICT (kind, object, key_hash, state) DO UPDATE SET state = w.state WHERE false;
END
$$;
COMMENT ON FUNCTION llm.companion_rewrite IS 'Event trigger: asks a worker for all rows of a source whose table is written anew, as by ALTER COLUMN TYPE';

-- The catalog of companions is restored by the database's owner too, who may say nothing about tables of others.
CREATE FUNCTION llm.companion_author() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN (SELECT count(*) = 2 FROM pg_class AS c
                      WHERE c.oid IN (NEW.source, NEW.companion) AND pg_has_role(c.relowner, 'USAGE')) THEN NEW END;
END
$$;
COMMENT ON FUNCTION llm.companion_author IS 'Row trigger: a role registers companion tables of tables that are its own, and no others';
CREATE TRIGGER companion_author BEFORE INSERT OR UPDATE ON llm.all_semantic_index
FOR EACH ROW EXECUTE FUNCTION llm.companion_author();
CREATE TRIGGER companion_author BEFORE INSERT OR UPDATE ON llm.all_column
FOR EACH ROW EXECUTE FUNCTION llm.companion_author();

CREATE EVENT TRIGGER llm_companion_rewrite ON table_rewrite EXECUTE FUNCTION llm.companion_rewrite();
CREATE EVENT TRIGGER llm_companion_drop ON sql_drop EXECUTE FUNCTION llm.companion_ddl();
CREATE EVENT TRIGGER llm_companion_alter ON ddl_command_end
WHEN TAG IN (
    'CREATE TABLE', 'ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE'
) EXECUTE FUNCTION llm.companion_ddl();
