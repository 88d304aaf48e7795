from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoHost
from fake_connection import Call, FakeConnection
from pg_llm.ask.host import sql_check
from pg_llm.database import sandbox
from pg_llm.database.connection import DatabaseError
from pg_llm.database.sandbox import QueryLimits, Refused, ValidatedQuery

LIMITS = QueryLimits(seconds=60.0, cost=1000, rows=2)
QUERY = ValidatedQuery("SELECT x FROM t", "SELECT x FROM public.t", [16400])
PATH = ["pg_catalog", "public"]


@pytest.fixture
def catalog(db: FakeConnection, host: EchoHost) -> FakeConnection:
    host.answers["sql_check"] = lambda inputs, options: [
        sql_check.run_in_worker(text, options.get("purpose", "query")) for text in inputs
    ]
    db.answer("AS w (schema, name, place)", lambda call: [relation(name) for name in call.values[1]])
    db.answer("set_config('standard_conforming_strings'")
    db.answer("EXPLAIN (FORMAT JSON)", [{"QUERY PLAN": json.dumps([{"Plan": {"Total Cost": 10.5}}])}])
    db.answer("format_type(b.oid, -1) AS name", [{**TYPE, "name": "integer"}])
    db.describe_as("SELECT", [("x", 23)])
    return db


TYPE = {"name": "integer", "builtin": True, "composite": False, "jsonable": True}


def relation(name: str, **more: Any) -> dict[str, Any]:
    row = {"oid": 16400 + sum(map(ord, name)), "relation": f"public.{name}", "relkind": "r", "readable": True}
    return row | {"strange": False, "trusted": True, "definition": None, "place": 1} | more


def refusal(db: FakeConnection, sql: str) -> str:
    (checked,) = sandbox.check(db, [sql], PATH)
    assert isinstance(checked, Refused)
    return str(checked)


def test_limits_come_from_settings(db: FakeConnection) -> None:
    db.settings |= {"llm.ask_timeout": "2s", "llm.ask_cost_limit": "500", "llm.ask_row_limit": "0"}
    assert sandbox.limits(db) == QueryLimits(2.0, 500, 1)


def test_relations_are_qualified_where_they_stand(catalog: FakeConnection) -> None:
    (checked,) = sandbox.check(catalog, ['SELECT "a b".x, \'t\' FROM "a b", t AS u, s . v'], PATH)
    assert isinstance(checked, ValidatedQuery)
    assert checked.qualified == "SELECT \"a b\".x, 't' FROM public.a b, public.t AS u, public.v"
    assert len(checked.relations) == 3
    (looked_up,) = catalog.asked("AS w (schema, name, place)")
    assert looked_up.values == ([None, None, "s"], ["a b", "t", "v"], PATH)


def test_a_query_without_tables_needs_no_catalog(catalog: FakeConnection) -> None:
    (checked,) = sandbox.check(catalog, ["SELECT 1"], PATH)
    assert isinstance(checked, ValidatedQuery)
    assert not catalog.asked("AS w (schema, name, place)")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"oid": None}, "there is no table t that you may ask about"),
        ({"readable": False}, "there is no table t that you may ask about"),
        ({"strange": True}, "table t has a column of a type that may run functions of others"),
    ],
)
def test_tables_that_may_not_be_read_are_refused(catalog: FakeConnection, row: dict[str, Any], reason: str) -> None:
    catalog.answer("AS w (schema, name, place)", [relation("t", **row)])
    assert refusal(catalog, "SELECT * FROM t") == reason


def test_an_escaped_name_is_refused(catalog: FakeConnection) -> None:
    with pytest.raises(Refused, match="in a way that is not understood"):
        sandbox.check(catalog, ['SELECT * FROM U&"t"'], PATH)


def view(definition: str, trusted: bool = False) -> dict[str, Any]:
    return relation("v", relkind="v", trusted=trusted, definition=definition)


def test_views_of_others_are_checked_by_their_definitions(catalog: FakeConnection) -> None:
    tables = {"v": view("SELECT pg_sleep(1) FROM public.t"), "t": relation("t")}
    catalog.answer("AS w (schema, name, place)", lambda call: [tables[name] for name in call.values[1]])
    catalog.answer("t.typtype = 'e'", [{"n": 0}])
    assert refusal(catalog, "SELECT * FROM v").startswith("the view v calls pg_sleep()")
    tables["v"] = view("SELECT pg_sleep(1) FROM public.t", trusted=True)
    assert isinstance(sandbox.check(catalog, ["SELECT * FROM v"], PATH)[0], ValidatedQuery)
    tables["v"] = view("SELECT 'a'::own.kind FROM public.t")
    assert refusal(catalog, "SELECT * FROM v") == "the view v has a type of somebody's own"
    catalog.answer("t.typtype = 'e'", lambda call: [{"n": len(call.values[0])}])
    assert isinstance(sandbox.check(catalog, ["SELECT * FROM v"], PATH)[0], ValidatedQuery)


def test_views_on_views_have_an_end(catalog: FakeConnection) -> None:
    catalog.answer("AS w (schema, name, place)", [view("SELECT x FROM public.v")])
    catalog.answer("t.typtype = 'e'", [{"n": 0}])
    assert refusal(catalog, "SELECT * FROM v") == "the view public.v is nested too deeply"


def lines(*rows: list[Any], characters: int = 0) -> list[dict[str, Any]]:
    return [{"line": json.dumps(row), "total": characters or 10 * number} for number, row in enumerate(rows, 1)]


def test_a_query_is_run_read_only_with_a_limit(catalog: FakeConnection) -> None:
    catalog.answer("SELECT line, total FROM", lines([1], [2], [3]))
    result = sandbox.run(catalog, QUERY, LIMITS)
    assert result.columns == [("x", "integer")]
    assert result.rows == [[1], [2]]
    assert result.truncated
    (fetched,) = catalog.asked("SELECT line, total FROM")
    assert "FROM (SELECT x FROM public.t ) AS q (c0)" in fetched.query
    assert "transaction_read_only" in fetched.query
    assert "LIMIT 3" in fetched.query
    order = [call.query.split()[0] for call in catalog.calls]
    assert order.index("EXPLAIN") > order.index("SELECT")
    # What the query set is undone with its subtransaction.
    assert catalog.rollbacks == 1


@pytest.mark.parametrize("cost", [1001, float("inf"), float("nan")])
def test_an_expensive_query_is_not_run(catalog: FakeConnection, cost: float) -> None:
    catalog.answer("EXPLAIN (FORMAT JSON)", [{"QUERY PLAN": json.dumps([{"Plan": {"Total Cost": cost}}])}])
    with pytest.raises(Refused, match="more than llm.ask_cost_limit"):
        sandbox.run(catalog, QUERY, LIMITS)
    assert not catalog.asked("SELECT line, total FROM")


def test_a_result_that_is_too_long_is_refused(catalog: FakeConnection) -> None:
    catalog.answer("SELECT line, total FROM", lines([1], characters=5 << 20))
    with pytest.raises(Refused, match="the result is longer than"):
        sandbox.run(catalog, QUERY, LIMITS)


def test_too_many_columns_are_refused(catalog: FakeConnection) -> None:
    catalog.describe_as("SELECT", [("x", 23)] * 101)
    catalog.answer("format_type(b.oid, -1) AS name", [TYPE] * 101)
    with pytest.raises(Refused, match="the query has 101 columns"):
        sandbox.run(catalog, QUERY, LIMITS)


def test_a_failure_is_a_reason_and_a_cancel_goes_through(catalog: FakeConnection) -> None:
    catalog.fail("SELECT line, total FROM", DatabaseError("division by zero", "22012"))
    with pytest.raises(Refused, match="the query failed: division by zero"):
        sandbox.run(catalog, QUERY, LIMITS)
    catalog.fail("SELECT line, total FROM", DatabaseError("canceling statement", "57014"))
    with pytest.raises(DatabaseError, match="canceling"):
        sandbox.run(catalog, QUERY, LIMITS)


def test_a_query_that_takes_too_long_says_so(catalog: FakeConnection) -> None:
    catalog.fail("SELECT line, total FROM", DatabaseError("canceling statement", "57014"))
    with pytest.raises(Refused, match=r"the query took longer than llm.ask_timeout \(0 s\)"):
        sandbox.run(catalog, QUERY, QueryLimits(0.0, 1000, 2))


def test_values_of_foreign_types_are_read_as_text(catalog: FakeConnection) -> None:
    def types(call: Call) -> list[dict[str, Any]]:
        return [{"name": "own.kind", "builtin": False, "composite": False, "jsonable": False}]

    catalog.answer("format_type(b.oid, -1) AS name", types)
    catalog.answer("SELECT line, total FROM", lines(["a"]))
    assert sandbox.run(catalog, QUERY, LIMITS).rows == [["a"]]
    assert "pg_catalog.format('%s', q.c0)" in catalog.asked("SELECT line, total FROM")[0].query
