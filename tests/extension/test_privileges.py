"""What PUBLIC may do, what only owners may, and what one role can never do to another."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]


def test_the_extension_makes_no_role(db: psycopg.Connection) -> None:
    roles = "SELECT array_agg(rolname ORDER BY rolname) FROM pg_roles"
    before = value(db, roles)
    db.execute("DROP EXTENSION pg_llm")
    assert value(db, roles) == before
    db.execute("CREATE EXTENSION pg_llm")
    assert value(db, roles) == before


def test_a_role_can_be_kept_from_models(db: psycopg.Connection, role: str) -> None:
    db.execute("REVOKE EXECUTE ON FUNCTION llm_embed FROM PUBLIC")
    db.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        db.execute("SELECT llm_embed('a cat')")


def test_only_the_owner_indexes_refreshes_and_drops(db: psycopg.Connection, role: str) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a cat')")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute(f"GRANT ALL ON note TO {role}; GRANT ALL ON SCHEMA public TO {role}; SET ROLE {role}")
    for call in (
        "semantic_index('note', '{body}', name => 'other')",
        "semantic_refresh('note')",
        "semantic_drop('note')",
    ):
        with pytest.raises(errors.InsufficientPrivilege, match="must be owner"):
            db.execute(f"CALL {call}")


def test_search_takes_the_right_to_read_the_table(db: psycopg.Connection, role: str) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a cat')")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute(f"SET ROLE {role}")
    for mode in ("vector", "text", "hybrid"):
        with pytest.raises(errors.InsufficientPrivilege):
            db.execute("SELECT * FROM semantic_search('cat', 'note', mode => %s)", (mode,))
    with pytest.raises(errors.InsufficientPrivilege):
        db.execute("""SELECT semantic_sync('note', 'note_embedding', '[{"id": 1}]')""")


def test_chunks_are_read_by_whoever_reads_their_rows(db: psycopg.Connection, role: str) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text, secret text)")
    db.execute("INSERT INTO note SELECT n, 'the number ' || n, 'x' FROM generate_series(1, 6) AS n")
    db.execute("CALL semantic_index('note', '{body}')")
    count = "SELECT count(*) FROM note_embedding"
    db.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        db.execute(count)
    # The columns that were indexed are enough, the key among them.
    db.execute(f"RESET ROLE; GRANT SELECT (id) ON note TO {role}; SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        db.execute(count)
    db.execute(f"RESET ROLE; GRANT SELECT (body) ON note TO {role}; SET ROLE {role}")
    assert value(db, count) == 6
    db.execute("RESET ROLE; ALTER TABLE note ENABLE ROW LEVEL SECURITY")
    db.execute("CREATE POLICY even ON note USING (id % 2 = 0)")
    db.execute(f"SET ROLE {role}")
    assert db.execute("SELECT id FROM note_embedding ORDER BY id").fetchall() == [(2,), (4,), (6,)]
    for statement in ("DELETE FROM note_embedding", "UPDATE note_embedding SET words = ''", "TRUNCATE note_embedding"):
        with pytest.raises(errors.InsufficientPrivilege):
            db.execute(statement)


def test_a_definition_is_written_by_the_functions_only(db: psycopg.Connection, role: str) -> None:
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role}")
    db.execute("CREATE TABLE theirs (id int PRIMARY KEY, body text); CALL semantic_index('theirs', '{body}')")
    for statement in (
        "INSERT INTO llm.all_semantic_index SELECT * FROM llm.all_semantic_index",
        "UPDATE llm.all_semantic_index SET model = 'x'",
        "DELETE FROM llm.all_semantic_index",
        "SELECT * FROM llm.all_semantic_index",
        "UPDATE llm.semantic_index SET model = 'x'",
        "SELECT nextval('llm.all_semantic_index_id_seq')",
    ):
        with pytest.raises((errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState)):
            db.execute(statement)
    db.execute("SELECT llm.prune_companions()")
    assert value(db, "SELECT count(*) FROM llm.semantic_index") == 1


def test_a_companion_that_was_given_away_is_none(db: psycopg.Connection, role: str) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a cat')")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}; ALTER TABLE note_embedding OWNER TO {role}")
    with pytest.raises(errors.UndefinedObject, match="has no semantic index"):
        db.execute("SELECT * FROM semantic_search('cat', 'note')")
    # Writers of the table run nothing that the new owner has attached.
    db.execute("INSERT INTO note VALUES (2, 'a dog')")
    assert value(db, "SELECT count(*) FROM note_embedding") == 1


def test_progress_of_others_stays_theirs(db: psycopg.Connection, connect: Connect, role: str) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note SELECT n, 'sentence number ' || n FROM generate_series(1, 3000) n")
    reader, worker = connect(user=role), connect()
    reports, views = [], []

    def work() -> None:
        worker.execute("CALL semantic_index('note', '{body}')")

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        views += db.execute("SELECT target, command FROM llm_progress").fetchall()
        reports += reader.execute("SELECT * FROM llm.progress_report()").fetchall()
        reports += reader.execute("SELECT * FROM llm_progress").fetchall()
    thread.join()
    assert ("public.note", "semantic_index") in views
    assert reports == []
    assert db.execute("SELECT * FROM llm_progress").fetchall() == []
