from __future__ import annotations

from typing import Any

import pytest
from fake_connection import Call
from pg_llm.database.connection import DatabaseError
from pg_llm.errors import InvalidInput
from pg_llm.optimize import advice
from pg_llm.optimize.plan import Suggestion

SQL = "SELECT * FROM orders WHERE status = 'open';"
FILTER = "(orders.status = 'open'::text)"


def scan(rows: float = 10, cost: float = 100.0, **more: Any) -> dict[str, Any]:
    node = {"Node Type": "Seq Scan", "Relation Name": "orders", "Schema": "public", "Alias": "orders"}
    return (
        node | {"Plan Rows": rows, "Total Cost": cost} | {name.replace("_", " "): value for name, value in more.items()}
    )


def suggested(db: Any, sql: str = SQL) -> list[Suggestion]:
    return advice.suggest(db, sql)


def test_without_hypopg_a_selective_index_is_an_estimate(planner: Any) -> None:
    planner.plan("orders", scan(Filter=FILTER))
    (suggestion,) = suggested(planner)
    assert suggestion.kind == "index"
    assert suggestion.action == "CREATE INDEX ON orders (status)"
    assert (suggestion.cost_before, suggestion.cost_after) == (100.0, None)
    assert "10 of 100,000 rows" in suggestion.evidence
    assert suggestion.evidence.endswith("an estimate, as HypoPG is not installed in this database")


@pytest.mark.parametrize(("rows", "table"), [(50_000, 100_000.0), (1, 100.0)])
def test_no_index_for_many_rows_or_a_small_table(planner: Any, rows: float, table: float) -> None:
    planner.rows_of_table = table
    planner.plan("orders", scan(rows, Filter=FILTER))
    assert suggested(planner) == []


def test_an_index_that_is_there_is_not_suggested(planner: Any) -> None:
    planner.plan("orders", scan(Filter=FILTER))
    planner.answer("AS definition, ARRAY", [{"definition": "… USING btree (status)", "keys": ["status", "at"]}])
    assert suggested(planner) == []


def test_a_column_without_an_order_has_no_index(planner: Any) -> None:
    planner.plan("orders", scan(Filter=FILTER))
    planner.answer("AS default_bytewise", [])
    assert suggested(planner) == []


def test_a_pattern_needs_an_operator_class_of_its_own(planner: Any) -> None:
    planner.plan("orders", scan(Filter="(orders.status ~~ 'op%'::text)"))
    assert [each.action for each in suggested(planner)] == ["CREATE INDEX ON orders (status text_pattern_ops)"]


def test_an_expression_needs_an_immutable_function(planner: Any) -> None:
    planner.plan("orders", scan(Filter="(lower(orders.status) = 'open'::text)"))
    (suggestion,) = suggested(planner)
    assert suggestion.kind == "expression index"
    assert suggestion.action == "CREATE INDEX ON orders (lower(status))"
    planner.answer("coalesce(bool_and(p.provolatile = 'i'), false)", [{"immutable": False}])
    assert suggested(planner) == []


def hypothetical(db: Any, costs: dict[str, float]) -> None:
    """An index costs what is said of its columns while it is there."""
    there: list[str] = []
    db.answer("WHERE e.extname = 'hypopg'", [{"schema": "hypo"}])

    def create(call: Call) -> list[dict[str, Any]]:
        there.append(call.values[0])
        return [{"oid": 99}]

    def drop(call: Call) -> list[dict[str, Any]]:
        there.clear()
        return []

    def explained(call: Call) -> list[dict[str, Any]]:
        cost = costs.get(there[0].partition("(")[2].rstrip(")"), 100.0) if there else 100.0
        return [{"QUERY PLAN": [{"Plan": scan(cost=cost, Filter=f"({FILTER} AND (orders.city = 'Ulm'::text))")}]}]

    db.answer("hypopg_create_index", create)
    db.answer("hypopg_drop_index", drop)
    db.answer("hypopg_relation_size", [{"bytes": 2 << 20}])
    db.answer("EXPLAIN (VERBOSE, FORMAT JSON)", explained)


def test_the_cheapest_hypothetical_index_is_suggested(planner: Any) -> None:
    hypothetical(planner, {"status": 60.0, "city": 40.0, "status, city": 20.0})
    (suggestion,) = suggested(planner)
    assert suggestion.action == "CREATE INDEX ON orders (status, city)"
    assert (suggestion.cost_before, suggestion.cost_after) == (100.0, 20.0)
    assert suggestion.evidence.endswith("costs by HypoPG, which puts the index at 2.0 MB")
    # Each is dropped again.
    assert len(planner.asked("hypopg_drop_index(99::")) == len(planner.asked("hypopg_create_index")) == 3


def test_a_second_column_must_be_worth_it(planner: Any) -> None:
    hypothetical(planner, {"status": 60.0, "city": 40.0, "status, city": 39.0})
    assert [each.action for each in suggested(planner)] == ["CREATE INDEX ON orders (city)"]


def test_an_index_that_saves_little_is_not_suggested(planner: Any) -> None:
    hypothetical(planner, {"status": 95.0, "city": 96.0})
    assert suggested(planner) == []


def test_a_sort_of_the_first_rows_is_served_by_an_index(planner: Any) -> None:
    sort = {"Node Type": "Sort", "Sort Key": ["orders.at DESC"], "Plan Rows": 5, "Plans": [scan(1000)]}
    planner.plan("orders", {"Node Type": "Limit", "Plan Rows": 5, "Total Cost": 100.0, "Plans": [sort]})
    (suggestion,) = suggested(planner, "SELECT * FROM orders ORDER BY at DESC LIMIT 5")
    assert suggestion.action == "CREATE INDEX ON orders (at DESC)"
    assert "the first 5 rows of orders are wanted in the order orders.at DESC" in suggestion.evidence


def test_a_join_is_served_by_an_index_of_the_other_table(planner: Any) -> None:
    few = {"Node Type": "Seq Scan", "Relation Name": "customer", "Schema": "public", "Alias": "customer"}
    few |= {"Plan Rows": 3, "Total Cost": 1.0}
    join = {"Node Type": "Hash Join", "Hash Cond": "(orders.cid = customer.cid)", "Total Cost": 100.0, "Plan Rows": 9}
    planner.plan("orders", join | {"Plans": [scan(100_000), few]})
    actions = {
        each.action: each.evidence for each in suggested(planner, "SELECT 1 FROM orders JOIN customer USING (cid)")
    }
    assert "CREATE INDEX ON orders (cid)" in actions
    assert "orders is joined by cid with 3 rows" in actions["CREATE INDEX ON orders (cid)"]


def test_tables_without_statistics_come_last(planner: Any) -> None:
    planner.plan("orders", scan())
    planner.answer("pg_stat_get_last_analyze_time", [{"name": "orders", "size": "8 MB"}])
    (suggestion,) = suggested(planner)
    assert suggestion.action == "ANALYZE orders"
    assert suggestion.cost_after is None
    assert "orders (8 MB) was never analysed" in suggestion.evidence


def test_a_mistake_in_the_statement_is_told_with_its_place(planner: Any) -> None:
    planner.plan("orders", DatabaseError('column "x" does not exist', "42703", position=38))
    with pytest.raises(InvalidInput, match='column "x" does not exist, at character 7') as caught:
        suggested(planner)
    assert caught.value.sqlstate == "42703"
    planner.plan("orders", DatabaseError("permission denied", "42501"))
    with pytest.raises(DatabaseError, match="permission denied"):
        suggested(planner)
    with pytest.raises(InvalidInput, match="sql is no SELECT"):
        suggested(planner, "DELETE FROM orders")


OR = "SELECT n FROM orders WHERE a = 1 OR a = 2"
NOT_IN = "SELECT n FROM orders WHERE a NOT IN (SELECT b FROM other)"


def test_a_rewrite_that_is_equal_by_definition(planner: Any) -> None:
    planner.plan("orders", scan())
    planner.plan("IN (1, 2)", scan(cost=50.0))
    (suggestion,) = suggested(planner, OR)
    assert suggestion == ("rewrite", "SELECT n FROM orders WHERE a IN (1, 2)", 100.0, 50.0, "equal by definition")


def test_a_rewrite_that_is_not_cheaper_or_not_possible(planner: Any) -> None:
    planner.plan("orders", scan())
    planner.plan("IN (1, 2)", scan(cost=99.9))
    assert suggested(planner, OR) == []
    planner.plan("IN (1, 2)", DatabaseError("operator does not exist", "42883"))
    assert suggested(planner, OR) == []
    planner.plan("IN (1, 2)", DatabaseError("canceling statement", "57014"))
    with pytest.raises(DatabaseError):
        suggested(planner, OR)


def not_in(db: Any, nullable: bool) -> None:
    db.plan("orders", scan())
    db.plan("NOT EXISTS", scan(cost=50.0))
    db.answer("to_regclass", [{"oid": 16400}])
    db.answer("AS nullable", [{"nullable": nullable}])


def test_a_rewrite_that_constraints_prove(planner: Any) -> None:
    not_in(planner, nullable=False)
    (suggestion,) = suggested(planner, NOT_IN)
    assert suggestion.evidence == "equal by constraints: orders.a and other.b are NOT NULL"


def trial(db: Any, *rows: list[str]) -> None:
    """Both statements are run, the first with the first rows."""
    db.answer("AS w (schema, name, place)", lambda call: [_readable(name) for name in call.values[1]])
    db.answer("current_schemas(true)", [{"path": ["pg_catalog", "public"]}])
    db.answer("AS plain FROM pg_class", [{"plain": True}])
    db.answer("AS replica", [])
    db.answer("to_regclass(n.name)", [])
    db.describe_as("SELECT whole", [("whole", 25)])
    db.answer(
        "format_type(b.oid, -1) AS name", [{"name": "text", "builtin": True, "composite": False, "jsonable": True}]
    )
    db.answer("AS whole ) AS q (c0)", lambda call: [{"c0": row} for row in rows["NOT EXISTS" in call.query]])


def _readable(name: str) -> dict[str, Any]:
    row = {"oid": 16400 + len(name), "relation": f"public.{name}", "relkind": "r", "readable": True, "definition": None}
    return row | {"strange": False, "trusted": True, "place": 1}


def test_a_rewrite_that_gives_the_same_rows(planner: Any) -> None:
    not_in(planner, nullable=True)
    trial(planner, ["(1)", "(2)"], ["(2)", "(1)"])
    (suggestion,) = suggested(planner, NOT_IN)
    assert suggestion.evidence.startswith("both gave the same 2 rows just now")


@pytest.mark.parametrize("rows", [(["(1)"], ["(2)"]), ([], [])])
def test_a_rewrite_that_gives_other_rows_or_none(planner: Any, rows: tuple[list[str], list[str]]) -> None:
    not_in(planner, nullable=True)
    trial(planner, *rows)
    assert suggested(planner, NOT_IN) == []


def test_a_statement_that_fails_proves_nothing(planner: Any) -> None:
    not_in(planner, nullable=True)
    trial(planner, [], [])
    planner.fail("AS whole ) AS q (c0)", DatabaseError("division by zero", "22012"))
    assert suggested(planner, NOT_IN) == []
    planner.fail("AS whole ) AS q (c0)", DatabaseError("canceling statement", "57014"))
    with pytest.raises(DatabaseError):
        suggested(planner, NOT_IN)


def test_an_expensive_statement_is_not_run_for_comparison(planner: Any) -> None:
    not_in(planner, nullable=True)
    planner.plan("orders", scan(cost=50_000.0))
    planner.plan("NOT EXISTS", scan(cost=30_000.0))
    assert suggested(planner, NOT_IN) == []
    assert not planner.asked("AS whole")


def test_distinct_over_a_key_is_superfluous(planner: Any) -> None:
    planner.plan("orders", scan(cost=50.0))
    planner.plan("DISTINCT", scan())
    planner.answer("to_regclass", [{"oid": 16400}])
    planner.answer("i.indisunique AND i.indisvalid AND i.indimmediate", [{"name": "orders_pkey", "columns": ["id"]}])
    (suggestion,) = suggested(planner, "SELECT DISTINCT id, n FROM orders")
    assert suggestion.action == "SELECT id, n FROM orders"
    assert suggestion.evidence.endswith("the columns hold those of the unique index orders_pkey")


MODEL = "SELECT n FROM orders WHERE llm_classify(note, '{a,b}') = 'a' AND city = 'Ulm'"


def models_last(db: Any, left: float, asked: float) -> None:
    calls = "((llm_classify(orders.note, '{a,b}'::text[]) = 'a'::text) AND (orders.city = 'Ulm'::text))"
    db.plan("orders", scan(Filter=calls))
    inner = scan(left, Subplan_Name="CTE candidates")
    db.plan("MATERIALIZED", {"Node Type": "CTE Scan", "Total Cost": 50.0, "Plan Rows": 1, "Plans": [inner]})
    db.plan("SELECT FROM public.orders AS orders WHERE true", scan(asked))
    db.answer("AS stable", [{"stable": True}])


def test_conditions_that_call_models_come_last(planner: Any) -> None:
    models_last(planner, left=100, asked=100_000)
    (suggestion, *_) = suggested(planner, MODEL)
    assert suggestion.kind == "model calls"
    assert "WITH candidates AS MATERIALIZED" in suggestion.action
    assert suggestion.evidence.endswith("a model is asked about 100 rows instead of 100,000")


def test_a_rewrite_that_saves_few_calls_or_moves_a_volatile_function(planner: Any) -> None:
    models_last(planner, left=90, asked=100)
    assert not [each for each in suggested(planner, MODEL) if each.kind == "model calls"]
    models_last(planner, left=1, asked=100)
    planner.answer("AS stable", [{"stable": False}])
    assert not [each for each in suggested(planner, MODEL) if each.kind == "model calls"]


PAIRS = "SELECT a.id FROM orders AS a JOIN orders AS b ON llm_similarity(a.note, b.note) > 0.9"


def test_a_model_is_asked_once_per_row(planner: Any) -> None:
    sides = [scan(1000), scan(1000)]
    join = {"Node Type": "Nested Loop", "Join Filter": "(llm_similarity(a.note, b.note) > 0.9)", "Plan Rows": 5}
    planner.plan("orders", join | {"Total Cost": 100.0, "Plans": sides})
    once = [scan(1000, Subplan_Name=f"CTE {name}_once") for name in "ab"]
    planner.plan("MATERIALIZED", {"Node Type": "Nested Loop", "Total Cost": 50.0, "Plan Rows": 5, "Plans": once})
    planner.answer("AS stable", [{"stable": True}])
    found = [each for each in suggested(planner, PAIRS) if each.kind == "model calls"]
    assert found[0].evidence.endswith("a model is asked about 2,000 rows instead of 1,000,000 combinations")
    assert "llm_embed" in found[0].action
