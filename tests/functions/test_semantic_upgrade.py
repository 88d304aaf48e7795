"""What version 0.1.0 had put into a table moves beside it, and leaves the table as it was before."""

from __future__ import annotations

import json

import companion
import psycopg
import pytest
from database import value

COLUMNS = """
    SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""


def old_index(db: psycopg.Connection, table: str, columns: str, name: str = "embedding", **options: str) -> None:
    """The columns and triggers that semantic_index of 0.1.0 made, with vectors in them."""
    definition = {
        "name": name,
        "columns": columns.split(","),
        "model": "all-minilm-l6-v2",
        "method": "hnsw",
        "metric": "cosine",
        "sync": "live",
        "text_config": "pg_catalog.english",
    } | options
    changed = " OR ".join(f'OLD."{c}"::text IS DISTINCT FROM NEW."{c}"::text' for c in definition["columns"])
    literal = json.dumps(definition).replace("'", "''")
    db.execute(f"""
        ALTER TABLE {table} ADD COLUMN "{name}" vector(384), ADD COLUMN "{name}_text" tsvector;
        CREATE TRIGGER "zz_{name}_forget" BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({changed})
        EXECUTE FUNCTION llm.semantic_forget('{literal}');
        ALTER TRIGGER "zz_{name}_forget" ON {table} DEPENDS ON EXTENSION pg_llm;
        UPDATE {table} SET "{name}" = llm_embed('x'), "{name}_text" = 'x';
    """)


@pytest.fixture
def note(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, title text, body text)")
    db.execute("INSERT INTO note VALUES (1, 'fruit', 'a red apple'), (2, 'music', 'a violin'), (3, NULL, '')")
    old_index(db, "note", "title,body")
    return db


def test_search_says_what_is_to_be_done(note: psycopg.Connection) -> None:
    for call in ("SELECT * FROM semantic_search('x', 'note')", "CALL semantic_refresh('note')"):
        with pytest.raises(psycopg.errors.UndefinedObject, match="made by version 0.1.0") as caught:
            note.execute(call)
        assert "CALL semantic_upgrade()" in (caught.value.diag.message_hint or "")
    # Writers go on meanwhile.
    note.execute("INSERT INTO note VALUES (4, 'new', 'text'); UPDATE note SET body = 'x' WHERE id = 1")
    assert value(note, "SELECT embedding FROM note WHERE id = 1") is None


@pytest.mark.parametrize("call", ["semantic_upgrade()", "semantic_upgrade('note')"])
def test_an_index_moves_beside_its_table(note: psycopg.Connection, call: str) -> None:
    note.execute(f"CALL {call}")
    assert value(note, COLUMNS, "note") == ["id", "title", "body"]
    assert value(note, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz%%'") == 0
    assert note.execute("SELECT s.key, s.row FROM semantic_search('an orchestra', 'note', 1) AS s").fetchall() == [
        ({"id": 2}, {"id": 2, "title": "music", "body": "a violin"})
    ]
    note.execute("INSERT INTO note VALUES (4, 'food', 'a loaf of bread'); UPDATE note SET body = 'a plum' WHERE id = 1")
    assert companion.differences(note) == {}
    # Nothing is left to do.
    note.execute(f"CALL {call}")
    assert len(companion.indexes(note)) == 1
    note.execute("CALL semantic_drop('note')")


def test_each_keeps_how_it_was_made(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE part (id int, kind text, body text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind)")
    db.execute("CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a')")
    db.execute("INSERT INTO part VALUES (1, 'a', 'a tiger'), (2, 'a', 'a turbine')")
    old_index(db, "part", "body", "meaning", method="ivfflat", metric="l2", text_config="pg_catalog.simple")
    old_index(db, "part", "kind", "sort", method="none", sync="manual")
    db.execute("CALL semantic_upgrade()")
    query = "SELECT name, columns, method, metric, sync, text_config FROM llm.semantic_index ORDER BY name"
    assert db.execute(query).fetchall() == [
        ("part_meaning", ["body"], "ivfflat", "l2", "live", "pg_catalog.simple"),
        ("part_sort", ["kind"], "none", "cosine", "manual", "pg_catalog.english"),
    ]
    assert value(db, COLUMNS, "part_a") == ["id", "kind", "body"]
    assert companion.differences(db) == {}


def test_one_that_has_lost_a_column_is_removed(note: psycopg.Connection) -> None:
    note.execute("ALTER TABLE note RENAME COLUMN body TO content")
    heard: list[str] = []
    note.add_notice_handler(lambda diagnostic: heard.append(str(diagnostic.message_primary)))
    note.execute("CALL semantic_upgrade()")
    assert any('has lost its column "body"' in text for text in heard)
    assert value(note, COLUMNS, "note") == ["id", "title", "content"]
    assert companion.indexes(note) == []


def test_what_stands_in_the_way_is_told_and_nothing_is_lost(note: psycopg.Connection) -> None:
    note.execute("CREATE TABLE note_embedding (id int)")
    with pytest.raises(psycopg.errors.DuplicateObject, match="note_embedding"):
        note.execute("CALL semantic_upgrade()")
    assert "embedding" in value(note, COLUMNS, "note")
    note.execute("DROP TABLE note_embedding; CREATE VIEW all_notes AS SELECT * FROM note")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        note.execute("CALL semantic_upgrade()")
    note.execute("DROP VIEW all_notes; CALL semantic_upgrade()")
    assert value(note, COLUMNS, "note") == ["id", "title", "body"]
    assert companion.differences(note) == {}


def test_only_its_owner_moves_an_index(note: psycopg.Connection, role: str) -> None:
    note.execute(f"SET ROLE {role}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        note.execute("CALL semantic_upgrade('note')")
    # Of all tables those that are one's own.
    note.execute("CALL semantic_upgrade()")
    note.execute("RESET ROLE")
    assert "embedding" in value(note, COLUMNS, "note")
    note.execute(f"GRANT CREATE ON SCHEMA public TO {role}; ALTER TABLE note OWNER TO {role}; SET ROLE {role}")
    note.execute("CALL semantic_upgrade()")
    assert value(note, COLUMNS, "note") == ["id", "title", "body"]
    assert companion.differences(note) == {}


def test_a_dump_of_the_first_release_that_was_restored(note: psycopg.Connection) -> None:
    """Its live triggers call functions of the table's owner, which ask for what is not there any more."""
    note.execute("""
        CREATE FUNCTION embedding_sync_1_10() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN PERFORM semantic_sync(TG_RELID, 'embedding', (SELECT jsonb_agg(jsonb_build_object('id', id))
        FROM changed)); RETURN NULL; END $$;
        CREATE TRIGGER zz_embedding_insert AFTER INSERT ON note REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION embedding_sync_1_10();
        CREATE TRIGGER zz_embedding_update AFTER UPDATE ON note REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION embedding_sync_1_10();
    """)
    note.execute("INSERT INTO note VALUES (4, 'food', 'a loaf of bread'); UPDATE note SET body = 'a plum' WHERE id = 1")
    note.execute("CALL semantic_upgrade()")
    assert value(note, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz%%'") == 0
    assert value(note, "SELECT to_regproc('embedding_sync_1_10')") is None
    assert companion.differences(note) == {}
    note.execute("INSERT INTO note VALUES (5, 'pets', 'a kitten')")
    assert companion.differences(note) == {}
