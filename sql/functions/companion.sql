-- Statement triggers that tell an AFTER function what was written, on a table and on all its parts. Row triggers that fire
-- for logical replication only, as that fires no statement triggers. They depend on the extension: writes go on without it.
CREATE FUNCTION llm.create_companion_triggers(kind text, id int, source regclass, sync text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part regclass;
    trigger text;
    event text;
    transition text;
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
        trigger := format('llm_%s_%s_replica', kind, id);
        CONTINUE WHEN EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = part AND g.tgname = trigger);
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW'
                       ' EXECUTE FUNCTION llm.enqueue_work(%L, %L)', trigger, part, kind, id);
        EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION pg_llm', trigger, part);
        EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', part, trigger);
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
        WHERE g.tgname ~ format('^llm_%s_%s_(insert|update|delete|truncate|replica)$', kind, id) AND g.tgparentid = 0
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
END
$$;
COMMENT ON FUNCTION llm.prune_companions IS 'Forget companion tables that are no more, or whose source is no more';

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
                    EXECUTE format('DROP TABLE %s', k.companion);
                END IF;
            ELSE
                PERFORM llm.drop_companion_triggers(k.kind, k.id, NULL);
            END IF;
        END LOOP;
        PERFORM llm.prune_companions();
        RETURN;
    END IF;
    FOR k IN
        SELECT DISTINCT t.kind, t.id, t.source, t.companion, t.sync, d.objid = t.source::oid AS itself
        FROM pg_event_trigger_ddl_commands() AS d
        CROSS JOIN LATERAL llm.relation_ancestors(d.objid::regclass) AS a (relation)
        JOIN llm.companion_table AS t ON t.source = a.relation
        WHERE d.classid = 'pg_class'::regclass
    LOOP
        IF k.itself AND (SELECT s.relowner <> c.relowner FROM pg_class AS s, pg_class AS c
                         WHERE s.oid = k.source AND c.oid = k.companion) THEN
            EXECUTE format('ALTER TABLE %s OWNER TO %I', k.companion, (
                SELECT pg_get_userbyid(s.relowner) FROM pg_class AS s WHERE s.oid = k.source
            ));
        END IF;
        IF NOT k.itself THEN
            PERFORM llm.create_companion_triggers(k.kind, k.id, k.source, k.sync);
        END IF;
    END LOOP;
    -- Parts that are none any more.
    FOR k IN
        SELECT DISTINCT t.kind, t.id, t.source FROM pg_event_trigger_ddl_commands() AS d
        JOIN pg_trigger AS g ON g.tgrelid = d.objid AND g.tgname ~ '^llm_(index|column)_[0-9]+_insert$'
        JOIN llm.companion_table AS t ON g.tgname = format('llm_%s_%s_insert', t.kind, t.id)
        WHERE d.classid = 'pg_class'::regclass
        AND NOT EXISTS (SELECT FROM llm.relation_ancestors(d.objid::regclass) AS a (relation) WHERE a.relation = t.source)
    LOOP
        PERFORM llm.drop_companion_triggers(k.kind, k.id, k.source);
    END LOOP;
END
$$;
COMMENT ON FUNCTION llm.companion_ddl IS 'Event trigger: companion tables follow their sources through DROP, ALTER OWNER and new or detached parts';

CREATE EVENT TRIGGER llm_companion_drop ON sql_drop EXECUTE FUNCTION llm.companion_ddl();
CREATE EVENT TRIGGER llm_companion_alter ON ddl_command_end
WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION llm.companion_ddl();
