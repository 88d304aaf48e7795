"""llm_staleness: semantic indexes and AI columns side by side, as far as the caller may know."""

from __future__ import annotations

import psycopg
from database import value

COUNTS = "SELECT kind, name, rows, stale, missing, failed, corrected, waiting FROM llm_staleness"


def test_indexes_and_columns_are_counted(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note VALUES (1, 'a cat'), (2, 'a dog'), (3, NULL)")
    db.execute("CALL semantic_index('note', '{body}', sync => 'manual', name => 'meaning')")
    db.execute("CALL llm_column('note', 'shout', 'upper(body)', sync => 'background')")
    assert db.execute(COUNTS).fetchall() == [
        ("index", "meaning", 3, 0, 0, 0, None, 0),
        ("column", "shout", 3, 0, 0, 0, 0, 0),
    ]
    db.execute("INSERT INTO note VALUES (4, 'a horse'); UPDATE note SET body = 'a mouse' WHERE id = 1")
    db.execute("UPDATE note SET body = NULL WHERE id = 2")
    assert db.execute(COUNTS).fetchall() == [
        ("index", "meaning", 4, 2, 1, 0, None, 0),
        ("column", "shout", 4, 2, 1, 0, 0, 3),
    ]
    assert value(db, "SELECT models FROM llm_staleness WHERE kind = 'index'") == {"all-minilm-l6-v2": 2}
    db.execute("CALL llm_work(); CALL semantic_refresh('note')")
    assert [row[3:] for row in db.execute(COUNTS).fetchall()] == [(0, 0, 0, None, 0), (0, 0, 0, 0, 0)]
    assert dict(db.execute("SELECT id, value FROM note_shout").fetchall()) == {
        1: "A MOUSE",
        2: None,
        3: None,
        4: "A HORSE",
    }


def test_of_others_it_tells_what_they_may_read(db: psycopg.Connection, role: str) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a cat'), (2, 'a dog')")
    db.execute("CALL semantic_index('note', '{body}', sync => 'manual')")
    db.execute("CALL llm_column('note', 'shout', 'upper(body)', sync => 'background')")
    db.execute(f"INSERT INTO note VALUES (3, 'a mouse'); SET ROLE {role}")
    assert db.execute(COUNTS).fetchall() == []
    db.execute(f"RESET ROLE; GRANT SELECT ON note TO {role}; ALTER TABLE note ENABLE ROW LEVEL SECURITY")
    db.execute(f"CREATE POLICY p ON note USING (id > 1); SET ROLE {role}")
    assert db.execute(COUNTS).fetchall() == [
        ("index", "note_embedding", 2, 0, 1, None, None, None),
        ("column", "shout", 2, 0, 1, 0, 0, None),
    ]
