from __future__ import annotations

from typing import Any

import pytest
from fake_connection import Call, FakeConnection
from pg_llm.database import select
from pg_llm.database.connection import DatabaseError
from pg_llm.database.select import Result
from pg_llm.errors import InvalidInput

TYPES = {23: "integer", 25: "text", 1082: "date", 790: "money", 1186: "interval", 1184: "timestamp with time zone"}


@pytest.fixture
def table(db: FakeConnection) -> FakeConnection:
    def types(call: Call) -> list[dict[str, Any]]:
        return [
            {"name": TYPES.get(oid, "own.kind"), "builtin": oid in TYPES, "composite": False, "jsonable": True}
            for oid in call.values[0]
        ]

    db.answer("format_type(b.oid, -1) AS name", types)
    db.describe_as("SELECT", [("n", 23)])
    db.answer("FROM (SELECT", [{"c0": 1}, {"c0": 2}])
    return db


def test_rows_are_read_by_number_and_rolled_back(table: FakeConnection) -> None:
    result = select.read(table, "SELECT n FROM t;  ", 10)
    assert result == Result([("n", "integer")], [[1], [2]], truncated=False)
    (call,) = table.asked("FROM (SELECT")
    assert call.query.startswith("SELECT q.c0 AS c0 FROM (SELECT n FROM t ) AS q (c0) WHERE")
    assert "transaction_read_only" in call.query
    assert call.query.endswith("LIMIT 11")
    assert table.rollbacks == 1


def test_more_rows_than_the_limit_are_told(table: FakeConnection) -> None:
    result = select.read(table, "SELECT n FROM t", 1)
    assert result.rows == [[1]]
    assert result.truncated


def test_more_columns_than_are_read_are_told(table: FakeConnection) -> None:
    table.describe_as("SELECT", [("n", 23)] * 41)
    table.answer("FROM (SELECT", [{f"c{number}": number for number in range(40)}])
    result = select.read(table, "SELECT *", 5)
    assert len(result.columns) == len(result.rows[0]) == 40
    assert result.truncated


@pytest.mark.parametrize(
    ("oid", "sql"),
    [
        (25, "pg_catalog.left(q.c0::pg_catalog.text, 300)"),
        (790, "q.c0::pg_catalog.numeric"),
        (1186, "EXTRACT(epoch FROM q.c0)::pg_catalog.float8"),
        (1082, "pg_catalog.to_char(q.c0::pg_catalog.timestamp, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"),
        (1184, "pg_catalog.make_timestamp(10000, 1, 1, 0, 0, 0)"),
        (99999, "pg_catalog.format('%s', q.c0)"),
    ],
)
def test_values_are_read_by_their_type(table: FakeConnection, oid: int, sql: str) -> None:
    table.describe_as("SELECT", [("n", oid)])
    select.read(table, "SELECT n", 1)
    assert sql in table.asked("FROM (SELECT")[0].query


def test_what_is_no_query_is_an_error(table: FakeConnection) -> None:
    with pytest.raises(InvalidInput, match="query is empty"):
        select.read(table, " ; ", 1)
    table.describe_as("SELECT", [])
    with pytest.raises(InvalidInput, match="query has no columns"):
        select.read(table, "SELECT", 1)
    table.describe_as("SELECT", [("n", 23)])
    table.fail("FROM (SELECT", DatabaseError('syntax error at or near "x"', "42601"))
    with pytest.raises(InvalidInput, match="query cannot be read: syntax error"):
        select.read(table, "SELECT 1) x", 1)
    table.fail("FROM (SELECT", DatabaseError("permission denied", "42501"))
    with pytest.raises(DatabaseError, match="permission denied"):
        select.read(table, "SELECT 1", 1)


def test_names_that_repeat_are_numbered() -> None:
    result = Result([("n", "integer"), ("n", "integer"), ("n_2", "text")], [[1, 2, "x"]], truncated=False)
    assert result.objects() == [{"n": 1, "n_2": 2, "n_2_2": "x"}]
