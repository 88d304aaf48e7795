"""The SQL functions of graphs: arguments that need no database are checked before anything is asked of one."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from fake_connection import FakeConnection
from pg_llm.errors import InvalidInput


class Faces:
    """The functions without the boundary to SQL: they take a connection first."""

    def __getattr__(self, name: str) -> Any:
        for module in MODULES:
            function = getattr(sys.modules[f"pg_llm.functions.{module}"], name, None)
            if function is not None:
                return function.__wrapped__
        raise AttributeError(name)


MODULES = """graph_answer graph_export graph_extract graph_follow graph_reasoning graph_resolve graph_rights
    graph_search knowledge_graph""".split()


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faces]:
    """The faces, imported with something in the place of PL/Python."""
    plpy = types.ModuleType("plpy")
    plpy.Error = plpy.SPIError = Exception  # type: ignore[attr-defined]
    before = set(sys.modules)
    monkeypatch.setitem(sys.modules, "plpy", plpy)
    for module in MODULES:
        importlib.import_module(f"pg_llm.functions.{module}")
    yield Faces()
    for name in set(sys.modules) - before:
        if name.startswith(("pg_llm.functions", "pg_llm.database.plpy", "pg_llm.database.sql_function")):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("graph_create", (None, None, None), "name must not be NULL"),
        ("graph_create", (" ", None, None), "a graph's name has 1 to 200 characters"),
        ("graph_create", ("x" * 201, None, None), "a graph's name has 1 to 200 characters"),
        ("graph_create", ("g", [], None), "entity_types must not be empty"),
        ("graph_create", ("g", None, "[]"), "relation_types must not be empty"),
        ("graph_add", ("g", "t", ["c"], None, "never"), 'invalid sync: "never"'),
        ("graph_add_columns", ("g", "t", "[]", "live"), "mapping must be a JSON list"),
        ("graph_add_columns", ("g", "t", '[{"subject": "a"}]', None), 'invalid sync: "None"'),
        ("graph_import", ("g", None, None), "query must not be NULL"),
        ("graph_sync", (None, "[]"), "source must not be NULL"),
        ("graph_search", ("q", "g", -1), "k must lie between 0 and 10000"),
        ("graph_search", ("q", "g", None), "k must lie between 0 and 10000"),
        ("graph_neighbors", (1, 11, None), "hops must lie between 1 and 10"),
        ("graph_neighbors", (None, 1, None), "entity must not be NULL"),
        ("graph_paths", (1, 2, 7, 5), "max_hops must lie between 1 and 6"),
        ("graph_paths", (1, 2, 2, None), "k must lie between 0 and 10000"),
        ("graph_paths", (1, None, 2, 5), "b must not be NULL"),
        ("graph_context", ("q", "g", 0), "token_limit must lie between 1 and 100000"),
        ("graph_draw", ("g", None, 0, 50), "hops must lie between 1 and 10"),
        ("graph_draw", ("g", None, 1, 301), "limit_to must lie between 1 and 300"),
        ("graph_export", (None, "turtle"), "graph must not be NULL"),
        ("graph_export", ("g", "docx"), 'invalid format: "docx"'),
        ("graph_extract", ("text", [], None, None), "entity_types must not be empty"),
        ("graph_fit", ("g", "magic", {}), 'invalid method: "magic"'),
        ("graph_fit", ("g", "complex", []), "options must be a JSON object"),
        ("graph_predict", ("g", 1, "p", 1001, None), "k must lie between 0 and 1000"),
        ("graph_rules", ("g", 1.5, 1), "min_confidence must lie between 0 and 1"),
        ("graph_rules", ("g", 0.5, 0), "min_support must be 1 at least"),
        ("graph_resolve", ("g", None), "threshold must not be NULL"),
        ("graph_resolve", ("g", 2.0), "threshold must lie between 0 and 1"),
        ("graph_merge", ("a", None, 0.5), "b must not be NULL"),
        ("graph_merge_entities", (1, None), "merged must not be NULL"),
        ("graph_unmerge", (None, None), "say which entity, or which graph"),
        ("graph_conflicts", (None,), "graph must not be NULL"),
    ],
)
def test_arguments_are_checked_first(
    db: FakeConnection, faces: Faces, name: str, given: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message.replace("(", r"\(")):
        getattr(faces, name)(db, *given)
    assert db.calls == []


def test_what_needs_nothing_asks_nothing(db: FakeConnection, faces: Faces) -> None:
    assert faces.graph_extract(db, None, None, None, None) == []
    assert faces.graph_row_readable(db, None, "{}") is False
    faces.graph_follow(db, {"args": [], "when": "AFTER", "level": "STATEMENT"})
    assert db.calls == []


def test_the_sources_that_may_be_read_are_listed(db: FakeConnection, faces: Faces) -> None:
    db.answer("FROM llm.readable_graph_source AS s", [{"ids": [3]}])
    assert faces.readable_graph_sources(db, False) == [3]
