"""SQL: explanation: what a model's answer about a text rests on."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.explain import explanation, highlighting

_WIDTHS = 200, 4000


@sql_function
def llm_explain(
    db: Connection,
    input: str | None,
    model: str | None,
    target: str | None,
    labels: list[str] | None,
    method: str | None,
) -> list[explanation.Attribution]:
    """How much each word of a text adds to a model's score for a label, or to its likeness to another text."""
    how = arguments.choice("method", method, explanation.METHODS)
    return explanation.explain(db, input, model, target, arguments.labels(labels), how)


@sql_function
def llm_explain_svg(
    db: Connection,
    input: str | None,
    model: str | None,
    target: str | None,
    labels: list[str] | None,
    method: str | None,
    title: str | None,
    width: int | None,
) -> str | None:
    """A text in SVG with the words marked that speak for a model's answer and against it; NULL for NULL."""
    how = arguments.choice("method", method, explanation.METHODS)
    pixels = arguments.in_range("width", width, *_WIDTHS)
    rows = explanation.explain(db, input, model, target, arguments.labels(labels), how)
    return None if input is None else highlighting.svg(input, rows, title, pixels)
