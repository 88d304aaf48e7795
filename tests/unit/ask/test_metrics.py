"""Metrics over a schema, and which of a question's words name one."""

from __future__ import annotations

from typing import Any

import pytest
from pg_llm.ask import coverage, metrics
from pg_llm.ask.linking.question import link
from pg_llm.ask.schema import Metric, Schema, SchemaColumn, SchemaTable
from pg_llm.errors import InvalidInput

# The table of that name in the library.
BOOK = 16402


def schema() -> Schema:
    number = [SchemaColumn(name, name, "int", "number") for name in ("bid", "pages")]
    price = SchemaColumn("Unit Price", '"Unit Price"', "int", "number")
    return Schema([SchemaTable(BOOK, "book", "book", number), SchemaTable(7, "shelf", "shop.shelf", [price])])


def stored(library: Any, expression: str, synonyms: list[str | None] | None = None) -> list[Metric]:
    row = {"name": "length", "oid": BOOK, "expression": expression, "synonyms": synonyms or []}
    library.answer("FROM llm.metric AS m WHERE m.target::oid::bigint = ANY($1)", [row])
    return metrics.read(library, schema())


def test_columns_are_written_with_their_tables(library: Any) -> None:
    (metric,) = stored(library, 'sum(pages * shelf."Unit Price") FILTER (WHERE bid > 1)', ["size", None, ""])
    assert metric.sql == 'sum(book.pages * shop.shelf."Unit Price") FILTER (WHERE book.bid > 1)'
    assert metric.phrases == ("length", "size")
    assert set(metric.refs) == {(0, 1), (1, 0), (0, 0)}
    assert metric.table == 0


@pytest.mark.parametrize("expression", ["sum(weight)", "sum(writer.wid)", "pg_sleep(1)", "(SELECT 1)", "1 FROM x"])
def test_what_cannot_be_used_is_left_out(library: Any, expression: str) -> None:
    assert stored(library, expression) == []


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Total net  Sales of 2024?", "net sales"),
        ("total sales", "sales"),
        ("wholesales", None),
        ("按月的营业额是多少", "营业额"),
        ("What does it cost?", None),
    ],
)
def test_a_question_names_a_metric(question: str, named: str | None) -> None:
    assert metrics.named_in(("sales", "net sales", "营业额", "c++"), question) == named


def test_a_query_must_read_the_metric_that_is_named() -> None:
    tables = schema()
    tables.metrics = [Metric("length", ("length", "size"), 0, "sum(book.pages)", ((0, 1),))]
    linked = link("What is the size per shelf?", tables, [], "2026-11-29")
    assert "size" in coverage.unread_words(linked, tables, "SELECT count(*) FROM book, shelf")
    assert "size" not in coverage.unread_words(linked, tables, "SELECT sum(b.pages) FROM book b, shelf")


def test_a_metric_needs_a_table(library: Any) -> None:
    with pytest.raises(InvalidInput, match="target must not be NULL"):
        metrics.define(library, "length", "sum(pages)", None, [])
    library.answer("DELETE FROM llm.metric")
    metrics.define(library, "length", None, None, [])
    (dropped,) = library.asked("DELETE FROM llm.metric")
    assert dropped.values == ("length",)
