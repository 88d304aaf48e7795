"""A small library as the catalog of a scripted connection, with SQL checked by the real parser."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from pg_llm.ask.host import sql_check

WRITER, BOOK = 16401, 16402
NAMES = {WRITER: "writer", BOOK: "book"}
COLUMNS = {
    WRITER: [("wid", "integer", "N"), ("name", "text", "S"), ("country", "text", "S")],
    BOOK: [
        ("bid", "integer", "N"),
        ("wid", "integer", "N"),
        ("title", "text", "S"),
        ("pages", "integer", "N"),
        ("published", "date", "D"),
    ],
}
Answer = Callable[[str], Sequence[Sequence[Any]]]


def check(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
    return [sql_check.run_in_worker(text, options.get("purpose", "query")) for text in inputs]


def _relation(oid: int) -> dict[str, Any]:
    return {"oid": oid, "relkind": "r", "relation": f"public.{NAMES[oid]}", "score": 3.0}


def _resolved(call: Call) -> list[dict[str, Any]]:
    oids = {name: oid for oid, name in NAMES.items()}
    return [
        {
            "place": number,
            "oid": oids.get(name),
            "relation": f"public.{name}",
            "relkind": "r",
            "readable": name in oids,
            "strange": False,
            "trusted": True,
            "definition": None,
        }
        for number, name in enumerate(call.values[1], 1)
    ]


def _tables(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "oid": oid,
            "name": NAMES[oid],
            "reltuples": 100.0,
            "sql": NAMES[oid],
            "comment": None,
            "description": None,
            "owner": "ann",
            "trusted": True,
        }
        for oid in call.values[0]
    ]


def _columns(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "oid": oid,
            "attnum": number,
            "name": name,
            "sql": name,
            "type": kind,
            "category": category,
            "typname": kind,
            "builtin": True,
            "nullable": number > 1,
            "comment": None,
            "description": None,
            "single": number == 1,
            "key_place": 1 if number == 1 else None,
        }
        for oid in call.values[0]
        for number, (name, kind, category) in enumerate(COLUMNS[oid], 1)
    ]


class LibraryConnection(FakeConnection):
    """Two tables, writer and book; `values` are texts of writer.name and writer.country, `results` maps SQL to rows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.values: list[tuple[int, str]] = [(1, "Ada Lovelace"), (2, "France")]
        self.results: dict[str, list[list[Any]]] = {}
        self.cost = 10.0
        self.answer("current_schemas(true)", [{"path": ["pg_catalog", "public"]}])
        self.answer("LEFT JOIN llm.model AS m", [registered()])
        self.answer("relation FROM pg_class AS c JOIN pg_namespace AS n", [_relation(oid) for oid in NAMES])
        self.answer("AND c.oid = ANY($1::bigint[]::oid[])", lambda call: [_relation(oid) for oid in call.values[0]])
        self.answer("WHERE c.oid = $1::oid", lambda call: [{"relation": f"public.{NAMES[call.values[0]]}"}])
        self.answer("AS plain FROM pg_class", [{"plain": True}])
        self.answer("AS open, pg_is_in_recovery()")
        self.answer("AS w (schema, name, place)", _resolved)
        self.answer("c.reltuples, pg_get_userbyid(c.relowner)", _tables)
        self.answer("coalesce(b.typcategory, t.typcategory)", _columns)
        self.answer("k.conkey, k.confkey", self._foreign_keys)
        self.answer("SELECT FROM llm.taught LIMIT 1")
        self.answer("SELECT quote_ident(n.nspname) AS schema FROM pg_extension", [{"schema": "public"}])
        self.answer("set_config('standard_conforming_strings'")
        self.answer("AS whole FROM (SELECT", self._named_values)
        self.answer("array_agg(DISTINCT lower(c.value))")
        self.answer("EXPLAIN (FORMAT JSON)", lambda call: [{"QUERY PLAN": json.dumps([{"Plan": self._plan()}])}])
        self.answer("format_type(b.oid, -1) AS name", self._types)
        self.answer("SELECT line, total FROM", self._lines)
        self.answer("INSERT INTO llm.ask_log", [{"id": "6f1d"}])
        self.answer("FROM llm.metric AS m")
        self.answer("SELECT to_char(current_date, 'YYYY-MM-DD') AS today", [{"today": "2026-11-29"}])
        self.answer("AS t LIMIT 3", lambda call: [{"0": "1", "1": "Ada"}] if "public.writer" in call.query else [])
        self.answer("FROM llm.ask_calibration")
        self.describe_as("", [("answer", 23)])

    def _foreign_keys(self, call: Call) -> list[dict[str, Any]]:
        both = {WRITER, BOOK} <= set(call.values[0])
        return [{"one": BOOK, "other": WRITER, "conkey": [2], "confkey": [1]}] if both else []

    def _named_values(self, call: Call) -> list[dict[str, Any]]:
        if "public.writer" not in call.query:
            return []
        return [
            {"place": place, "value": value, "whole": value.lower() in call.values[0]}
            for place, value in self.values
            if value.lower() in call.values[0] or any(part in value.lower() for part in call.values[1])
        ]

    def _plan(self) -> dict[str, Any]:
        return {"Total Cost": self.cost}

    def _types(self, call: Call) -> list[dict[str, Any]]:
        return [{"name": "bigint", "builtin": True, "composite": False, "jsonable": True} for _ in call.values[0]]

    def _lines(self, call: Call) -> list[dict[str, Any]]:
        total = 0
        lines = []
        for row in next((rows for sql, rows in self.results.items() if sql in call.query), [[7]]):
            total += len(json.dumps(row))
            lines.append({"line": json.dumps(row), "total": total})
        return lines


@pytest.fixture
def library(host: EchoHost) -> LibraryConnection:
    host.answers["sql_check"] = check
    return LibraryConnection()
