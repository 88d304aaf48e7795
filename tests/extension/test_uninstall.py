"""Uninstalling: nothing is left behind, and nothing that stays is broken."""

from __future__ import annotations

import psycopg
import pytest
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


def test_writers_survive_an_uninstall(db: psycopg.Connection, role: str) -> None:
    indexed(db)
    # What lets readers of the table read the chunks calls a function of the extension.
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="policy readable on table note_embedding"):
        db.execute("DROP EXTENSION pg_llm")
    db.execute("DROP EXTENSION pg_llm CASCADE")
    db.execute("INSERT INTO note VALUES (4, 'new')")
    db.execute("UPDATE note SET body = 'changed'; DELETE FROM note WHERE id = 2")
    assert value(db, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'note'::regclass") == 0
    # Vectors and words stay, for their owner alone.
    assert value(db, "SELECT count(embedding) FROM note_embedding") == 3
    db.execute(f"GRANT SELECT ON note TO {role}; SET ROLE {role}")
    assert value(db, "SELECT count(*) FROM note_embedding") == 0
    db.execute("RESET ROLE; DROP TABLE note, note_embedding")
