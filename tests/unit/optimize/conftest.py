"""A connection that explains statements by a script, with syntax trees analysed by the real parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoHost
from fake_connection import Call, FakeConnection
from pg_llm.ask.host import sql_check
from pg_llm.optimize.host import analysis

Node = dict[str, Any]


class PlanningConnection(FakeConnection):
    """`plans` maps a part of a statement to its plan; the last one that fits counts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.plans: list[tuple[str, Node | Exception]] = []
        self.rows_of_table = 100_000.0
        self.answer("EXPLAIN (VERBOSE, FORMAT JSON)", self._explained)
        self.answer("c.relkind IN ('r', 'm')", self._table)
        self.answer("pg_stat_get_last_analyze_time")
        self.answer("WHERE e.extname = 'hypopg'")
        self.answer("AS default_bytewise", [column()])
        self.answer("s.n_distinct::float8 AS distinct")
        self.answer("AS definition, ARRAY")
        self.answer("coalesce(bool_and(p.provolatile = 'i'), false)", [{"immutable": True}])

    def plan(self, part: str, node: Node | Exception) -> None:
        self.plans.append((part, node))

    def _explained(self, call: Call) -> list[dict[str, Any]]:
        node = next(node for part, node in reversed(self.plans) if part in call.query)
        if isinstance(node, Exception):
            raise node
        return [{"QUERY PLAN": json.dumps([{"Plan": node}])}]

    def _table(self, call: Call) -> list[dict[str, Any]]:
        name = call.values[1]
        row = {"oid": 16400 + len(name), "name": name, "row_count": self.rows_of_table, "is_partition": False}
        return [row | {"root": name}]


def column(type: str = "integer", ordered: bool = True, bytewise: bool = False) -> dict[str, Any]:
    collation = {"collation": 100, "bytewise": None, "default_bytewise": bytewise}
    return {"type": type, "ordered": ordered} | collation


@pytest.fixture
def planner(host: EchoHost) -> PlanningConnection:
    host.answers["optimization"] = lambda inputs, options: [
        analysis.run_in_worker(options["read"], text) for text in inputs
    ]
    host.answers["sql_check"] = lambda inputs, options: [
        sql_check.run_in_worker(text, options.get("purpose", "query")) for text in inputs
    ]
    return PlanningConnection()
