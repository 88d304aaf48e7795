"""What the faces of ask, charts and advice check before they call their topic, with a stub in place of plpy."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from fake_connection import FakeConnection
from pg_llm.ask import answering, taught_examples
from pg_llm.ask import catalog as ask_catalog
from pg_llm.charts import rendering
from pg_llm.errors import InvalidInput
from pg_llm.optimize import advice


class SPIError(Exception):
    pass


@pytest.fixture
def face(monkeypatch: pytest.MonkeyPatch, db: FakeConnection) -> Callable[..., Any]:
    """Calls a function of the face by its module and name, on a connection that answers nothing."""
    plpy = types.ModuleType("plpy")
    plpy.Error = plpy.SPIError = SPIError  # type: ignore[attr-defined]
    before = set(sys.modules)
    monkeypatch.setitem(sys.modules, "plpy", plpy)

    def call(name: str, *values: Any) -> Any:
        module, _, function = name.partition(".")
        return getattr(importlib.import_module(f"pg_llm.functions.{module}"), function).__wrapped__(db, *values)

    yield call
    for name in set(sys.modules) - before:
        if name.startswith(("pg_llm.functions", "pg_llm.database")):
            del sys.modules[name]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The values that topics were called with."""
    calls: list[tuple[Any, ...]] = []

    def record(db: Any, *values: Any) -> str:
        calls.append(values)
        return "result"

    for module, name in (
        (answering, "suggest_sql"),
        (answering, "answer"),
        (answering, "answer_rows"),
        (answering, "record_feedback"),
        (ask_catalog, "refresh"),
        (ask_catalog, "describe"),
        (taught_examples, "teach"),
        (rendering, "specify"),
        (rendering, "svg"),
        (rendering, "png"),
        (advice, "suggest"),
    ):
        monkeypatch.setattr(module, name, record)
    return calls


@pytest.mark.parametrize("name", ["llm_sql", "ask", "ask_rows"])
def test_questions_are_stripped_and_have_a_length(face: Any, called: Any, name: str) -> None:
    rest: tuple[Any, ...] = (None, None) if name == "ask" else (None,)
    assert face(f"ask.{name}", " How many? ", ["t"], None, *rest) in ("result", ["result"])
    assert called == [("How many?", ["t"], None, None, *((False,) if name == "ask" else ()))]
    for question, message in ((None, "must not be NULL"), (" ", "1 to 4000"), ("x" * 4001, "not 4001")):
        with pytest.raises(InvalidInput, match=message):
            face(f"ask.{name}", question, None, None, *rest)
    with pytest.raises(InvalidInput, match="tables must not hold NULL"):
        face(f"ask.{name}", "How many?", [None], None, *rest)


def test_feedback_needs_a_question_and_a_verdict(face: Any, called: Any) -> None:
    face("ask.ask_feedback", "42", False, None)
    assert called == [("42", False, None)]
    with pytest.raises(InvalidInput, match="correct must not be NULL"):
        face("ask.ask_feedback", "42", None, None)
    with pytest.raises(InvalidInput, match="id must not be NULL"):
        face("ask.ask_feedback", None, True, None)


def test_descriptions_are_stripped_and_have_a_length(face: Any, called: Any) -> None:
    face("catalog.llm_describe", "t.x", " sold ")
    face("catalog.llm_describe", "t.x", None)
    face("catalog.llm_teach", "How many?", None)
    face("catalog.llm_catalog_refresh", ["public"])
    assert called == [("t.x", "sold"), ("t.x", None), ("How many?", None), (["public"],)]
    for text in ("", " ", "x" * 4001):
        with pytest.raises(InvalidInput, match="a description has 1 to 4000 characters"):
            face("catalog.llm_describe", "t.x", text)
    with pytest.raises(InvalidInput, match="object must not be NULL"):
        face("catalog.llm_describe", None, "x")
    with pytest.raises(InvalidInput, match="question must not be NULL"):
        face("catalog.llm_teach", None, "x")


def test_charts_of_null_are_null(face: Any, called: Any) -> None:
    assert face("chart.llm_chart", None, None, None) is None
    assert face("chart.llm_chart_svg", None, None, None, None, None) is None
    assert face("chart.llm_chart_png", None, None, None, None, None, None) is None
    assert face("optimization.llm_optimize", None) == []
    assert called == []


def test_charts_have_sizes_that_can_be_drawn(face: Any, called: Any) -> None:
    face("chart.llm_chart", "q", "bar", "t")
    face("chart.llm_chart_svg", "q", None, None, 100, 4000)
    face("chart.llm_chart_png", "q", None, None, 640, 400, 2.0)
    face("optimization.llm_optimize", "SELECT 1")
    assert called == [
        ("q", "bar", "t", 640, 400),
        ("q", None, None, 100, 4000),
        ("q", None, None, 640, 400, 2.0),
        ("SELECT 1",),
    ]
    for width, height, message in ((99, 400, "width must lie between"), (640, None, "height must lie between")):
        with pytest.raises(InvalidInput, match=message):
            face("chart.llm_chart_svg", "q", None, None, width, height)
    for width, scale in ((640, 0.01), (640, 11.0), (4000, 7.0)):
        with pytest.raises(InvalidInput, match=r"scale must lie between 0\.1 and 10"):
            face("chart.llm_chart_png", "q", None, None, width, 4000, scale)
    with pytest.raises(InvalidInput, match="scale must not be NULL"):
        face("chart.llm_chart_png", "q", None, None, 640, 400, None)
