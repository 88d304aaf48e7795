"""Uninstalling: nothing is left behind, and nothing that stays is broken."""

from __future__ import annotations

import psycopg
from database import value

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
