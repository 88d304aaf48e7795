from __future__ import annotations

import json
from typing import Any

import pytest
from fake_catalog import FakeCatalog
from fake_connection import FakeConnection
from pg_llm.cleaning import target_table, update_script
from pg_llm.cleaning.target_table import TargetTable, Value


@pytest.fixture
def target(db: FakeConnection) -> TargetTable:
    FakeCatalog(db).add("public.t", {"id": "integer", "zip": "text", "city": "text", "n": "integer"})
    return target_table.find(db, "t")


def change(row: int, column: str, old: Value, new: Value, detector: str = "typo", **given: str) -> dict[str, Any]:
    determinant = json.dumps(given) if given else None
    return {"key": str(row), "column": column, "old": old, "new": new, "given": determinant, "detector": detector}


def statement(target: TargetTable, columns: dict[str, list[Value]], *changes: dict[str, Any]) -> str:
    rows = len(columns["zip"])
    ids: list[Value] = [str(row) for row in range(rows)]
    after = [ids, *(columns[name] for name in ("zip", "city", "n"))]
    return update_script.update_statement("public.t", target, [str(row) for row in range(rows)], after, changes)


def content(**columns: list[Value]) -> dict[str, list[Value]]:
    rows = len(next(iter(columns.values())))
    return {"zip": [None] * rows, "city": [None] * rows, "n": [None] * rows} | columns


def test_an_old_value_that_is_always_wrong(target: TargetTable) -> None:
    script = statement(target, content(city=["Oslo", "Oslo", "Rome"]), change(0, "city", "Osloo", "Oslo"))
    assert script == (
        "UPDATE public.t SET\n    city = CASE\n        WHEN city = 'Osloo' THEN 'Oslo'\n        ELSE city\n    END\n"
        "WHERE city IN ('Osloo');"
    )


def test_an_old_value_that_is_right_elsewhere_takes_another_column(target: TargetTable) -> None:
    # Row 3 keeps the value that row 0 lost; the zip code decides.
    columns = content(zip=["1", "1", "1", "2"], city=["Oslo", "Oslo", "Oslo", "Rome"])
    script = statement(target, columns, change(0, "city", "Rome", "Oslo"))
    assert "WHEN zip = '1' AND city = 'Rome' THEN 'Oslo'" in script
    with_determinant = statement(target, columns, change(0, "city", "Rome", "Oslo", zip="1"))
    assert with_determinant == script


def test_a_repair_from_which_no_rule_follows_is_counted(target: TargetTable) -> None:
    columns = content(zip=["1", "2"], city=["Oslo", "Rome"])
    script = statement(target, columns, change(0, "city", "Rome", "Oslo"))
    assert script == "-- Repairs of single rows, from which no rule follows: 1\n-- There is nothing to do."


def test_a_number_that_two_others_decide_is_no_rule(target: TargetTable) -> None:
    # Another row with that price may have another amount.
    script = statement(target, content(zip=["5", "6"], n=["10", "12"]), change(0, "n", None, "10", "balance", zip="5"))
    assert script == "-- Repairs of single rows, from which no rule follows: 1\n-- There is nothing to do."


def test_null_and_types_of_the_columns(target: TargetTable) -> None:
    columns = content(city=[None, "Rome"], n=["7", "3"])
    script = statement(target, columns, change(0, "city", "?", None), change(0, "n", None, "7"))
    assert "WHEN city = '?' THEN NULL" in script
    assert "WHEN n IS NULL THEN '7'::integer" in script
    assert script.endswith("WHERE city IN ('?')\n   OR n IS NULL;")


def test_changes_of_rows_that_are_gone_are_counted(target: TargetTable) -> None:
    assert "follows: 1\n" in statement(target, content(city=["Rome"]), change(9, "city", "x", "y"))


def test_nothing_is_to_do(target: TargetTable) -> None:
    assert statement(target, content(city=["Rome"])) == "-- There is nothing to do."
