from __future__ import annotations

import psycopg
import pytest
from database import value
from psycopg import errors

WHY = "SELECT origin, state, value, before, reason, evidence, usename FROM llm_why('note', %s, %s)"


@pytest.fixture
def notes(db: psycopg.Connection) -> psycopg.Connection:
    """A table with an AI column, of which one value was corrected."""
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text, city text)")
    db.execute("INSERT INTO note SELECT n, 'body ' || n, 'Oslo' FROM generate_series(1, 30) AS n")
    db.execute("CALL llm_column('note', 'shout', 'upper(body)')")
    return db


def test_an_ai_columns_value_tells_its_expression_and_state(notes: psycopg.Connection, role: str) -> None:
    (row,) = notes.execute(WHY, ('{"id": 1}', "shout")).fetchall()
    assert row == ("column shout", "computed", "BODY 1", None, "upper(body)", {"models": {}}, None)
    notes.execute("SELECT llm_correct('note', 'shout', '{\"id\": 1}', 'loud')")
    (row,) = notes.execute(WHY, ('{"id": 1}', "shout")).fetchall()
    assert row[:3] == ("column shout", "corrected", "loud")
    assert notes.execute(WHY, ('{"id": 99}', "shout")).fetchall() == []
    assert notes.execute(WHY, ('{"id": 1}', "body")).fetchall() == []
    # Who may not read the row is not told of its value.
    notes.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        notes.execute(WHY, ('{"id": 1}', "shout"))


def test_a_repair_tells_what_was_there_and_why(notes: psycopg.Connection, role: str) -> None:
    notes.execute("UPDATE note SET city = '  Oslo ' WHERE id = 7")
    run = value(notes, "SELECT llm_find_errors('note')")
    notes.execute("SELECT llm_propose_repairs(%s)", (run,))
    notes.execute("SELECT llm_accept(%s, \"column\" => 'city')", (run,))
    notes.execute("SELECT llm_apply(%s)", (run,))
    (row,) = notes.execute(WHY, ('{"id": 7}', "city")).fetchall()
    assert row[0] == f"cleaning {run}"
    assert row[1:4] == ("applied", "Oslo", "  Oslo ")
    assert row[4]
    assert row[6] == "postgres"
    # Another role's runs are its own.
    notes.execute(f"GRANT SELECT ON note TO {role}; SET ROLE {role}")
    assert notes.execute(WHY, ('{"id": 7}', "city")).fetchall() == []


def test_arguments_are_checked(notes: psycopg.Connection) -> None:
    for call, message in (
        ("llm_why('note', NULL, 'shout')", "key must not be NULL"),
        ("llm_why('note', '[]', 'city')", "key must be a JSON object"),
        ("llm_why('note', '{\"id\": 1}', 'nope')", 'the table has no column "nope"'),
        ("llm_why('note', '{\"id\": 1}', NULL)", "column must not be NULL"),
        ("llm_why(NULL, '{\"id\": 1}', 'shout')", "NULL"),
    ):
        with pytest.raises(errors.DatabaseError, match=message):
            notes.execute(f"SELECT {call}")


def test_a_merge_tells_what_was_merged_and_by_which_rule(notes: psycopg.Connection, role: str) -> None:
    notes.execute("CREATE TABLE page (id int PRIMARY KEY, note int REFERENCES note)")
    notes.execute("INSERT INTO page VALUES (1, 2), (2, 4)")
    notes.execute("UPDATE note SET city = NULL WHERE id = 1")
    rules = """'{"columns": {"city": "longest"}}'"""
    clusters = """'[[{"id": 1}, {"id": 2}, {"id": 3}]]'"""
    notes.execute(f"SELECT llm_merge('note', survivorship => {rules}, clusters => {clusters})")
    run = value(notes, "SELECT id FROM llm.record_merge")
    kept, gone = (
        value(notes, "SELECT kept FROM llm.merged_row LIMIT 1"),
        value(notes, "SELECT array_agg(key ORDER BY key) FROM llm.merged_row WHERE after IS NULL"),
    )
    # A key may be written with text in place of numbers.
    cells = {key["id"]: notes.execute(WHY, (f'{{"id": "{key["id"]}"}}', "city")).fetchall() for key in (kept, *gone)}
    removed = {"kept": kept, "removed": gone}
    for key in gone:
        assert cells[key["id"]] == [
            (f"merge {run}", "removed", None, "Oslo" if key["id"] != 1 else None, "longest", removed, "postgres")
        ]
    # The row that was kept had the value already: nothing was written there.
    assert kept == {"id": 2}
    assert cells[2] == []
    assert notes.execute(WHY.replace("note", "page"), ('{"id": 1}', "note")).fetchall() == []
    notes.execute(f"GRANT SELECT ON note TO {role}; SET ROLE {role}")
    assert notes.execute(WHY, ('{"id": 1}', "city")).fetchall() == []
    notes.execute("RESET ROLE")
    notes.execute("SELECT llm_unmerge(%s)", (run,))
    assert [row[1] for row in notes.execute(WHY, ('{"id": 1}', "city"))] == ["restored"]


def test_a_merge_tells_what_it_wrote_and_where_it_pointed(notes: psycopg.Connection) -> None:
    notes.execute("CREATE TABLE page (id int PRIMARY KEY, note int REFERENCES note)")
    notes.execute("INSERT INTO page VALUES (1, 2)")
    notes.execute("UPDATE note SET city = 'Bergen' WHERE id = 2")
    rules = """'{"columns": {"city": "longest"}}'"""
    notes.execute(f"SELECT llm_merge('note', survivorship => {rules}, clusters => '[[{{\"id\": 1}}, {{\"id\": 2}}]]')")
    ((origin, *merged),) = notes.execute(WHY, ('{"id": 1}', "city")).fetchall()
    found = {"kept": {"id": 1}, "removed": [{"id": 2}]}
    assert merged == ["merged", "Bergen", "Oslo", "longest", found, "postgres"]
    assert notes.execute(WHY.replace("note", "page"), ('{"id": 1}', "note")).fetchall() == [
        (origin, "repointed", "1", "2", None, {"target": "public.note"}, "postgres")
    ]
