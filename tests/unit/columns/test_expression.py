"""What is said of an expression that PostgreSQL does not read, or that is not one value of one row."""

from __future__ import annotations

from typing import Any

import pytest
from fake_connection import FakeConnection
from pg_llm.columns.expression import Compiled, resolve
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import DatabaseError
from pg_llm.database.quoting import derived_name
from pg_llm.errors import InvalidInput

TEXT = ColumnType("text", True, False, True)
SOURCE = Table(1, "public.ticket", "keeper", "public", {"id": "integer"}, {"id": TEXT, "body": TEXT}, "r")


def server(**changes: Any) -> FakeConnection:
    read = {"text": "(upper(body) IS NOT NULL)", "numbers": [2], "names": ["body"], **changes}
    db = FakeConnection()
    db.answer("CREATE TEMPORARY TABLE")
    db.answer("ALTER TABLE pg_temp.ticket")
    db.answer("pg_get_expr", [read])
    db.answer("t.typtype = 'p' AS pseudo", [{"name": "text", "pseudo": False}])
    db.answer("WITH RECURSIVE made_of", [{"name": "text", "builtin": True, "composite": False, "jsonable": True}])
    db.describe_as("AS value FROM pg_temp.ticket", [("value", 25)])
    return db


def test_it_is_read_as_the_check_of_an_empty_table_that_is_gone_afterwards() -> None:
    db = server()
    assert resolve(db, SOURCE, "ticket", "UPPER(body)") == Compiled("upper(body)", ["body"], "text")
    assert [call.query for call in db.asked("ADD CONSTRAINT")] == [
        "ALTER TABLE pg_temp.ticket ADD CONSTRAINT as_written CHECK (( UPPER(body) ) IS NOT NULL)",
        "ALTER TABLE pg_temp.ticket ADD CONSTRAINT compiled CHECK (( upper(body) ) IS NOT NULL)",
    ]
    assert db.rollbacks == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numbers": [-1, 2]}, "a system column or a whole row"),
        ({"numbers": [0]}, "a system column or a whole row"),
        ({"numbers": None, "names": []}, "reads no column"),
        ({"text": "((body IS NOT NULL) OR (n > 1))"}, "not one value"),
    ],
)
def test_what_is_not_one_value_of_one_row(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        resolve(server(**changes), SOURCE, "ticket", "x")


@pytest.mark.parametrize(
    ("sqlstate", "message"),
    [
        ("42803", "not one value of one row"),
        ("42P20", "not one value of one row"),
        ("0A000", "not one value of one row"),
        ("42601", "cannot be read: syntax"),
        ("42703", "cannot be read: syntax"),
    ],
)
def test_what_postgresql_does_not_read(sqlstate: str, message: str) -> None:
    db = server()
    db.fail("ADD CONSTRAINT as_written", DatabaseError("syntax", sqlstate))
    with pytest.raises(InvalidInput, match=message):
        resolve(db, SOURCE, "ticket", "x")


def test_other_errors_are_those_of_the_server() -> None:
    db = server()
    db.fail("ADD CONSTRAINT as_written", DatabaseError("cancelled", "57014"))
    with pytest.raises(DatabaseError):
        resolve(db, SOURCE, "ticket", "x")


def test_a_value_of_no_type_and_of_a_strangers_type_are_refused() -> None:
    db = server()
    db.answer("t.typtype = 'p' AS pseudo", [{"name": "record", "pseudo": True}])
    with pytest.raises(InvalidInput, match="no type of its own"):
        resolve(db, SOURCE, "ticket", "x")
    db = server()
    db.answer("WITH RECURSIVE made_of", [{"name": "mood", "builtin": False, "composite": False, "jsonable": False}])
    with pytest.raises(InvalidInput, match="cannot trust"):
        resolve(db, SOURCE, "ticket", "x")


@pytest.mark.parametrize(
    ("source", "column", "name"),
    [
        ("ticket", "topic", "ticket_topic"),
        ("t" * 63, "topic", "t" * 57 + "_topic"),
        ("ü" * 31, "topic", "ü" * 28 + "_topic"),
        ("ticket", "c" * 63, "t_" + "c" * 61),
    ],
)
def test_names_are_cut_to_what_an_identifier_holds(source: str, column: str, name: str) -> None:
    assert derived_name(source, column) == name
    assert len(name.encode()) <= 63
