"""SQL: explanation: what a model's answer about a text rests on."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.explain import counterfactual, explanation, highlighting, provenance
from pg_llm.privacy import torn_texts

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
    torn_texts.refuse_personal(db, explanation.find_model(db, model), [input, target])
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
    torn_texts.refuse_personal(db, explanation.find_model(db, model), [input, target])
    rows = explanation.explain(db, input, model, target, arguments.labels(labels), how)
    return None if input is None else highlighting.svg(input, rows, title, pixels)


@sql_function
def llm_counterfactual(
    db: Connection, input: str | None, model: str | None, labels: list[str] | None
) -> list[counterfactual.Counterfactual]:
    """The fewest words without which a text has another label, and the text without them."""
    torn_texts.refuse_personal(db, explanation.find_model(db, model), [input])
    return counterfactual.counterfactual(db, input, model, arguments.labels(labels))


@sql_function
def llm_why(db: Connection, target: str | None, key: str | None, column: str | None) -> list[dict[str, Any]]:
    """Where the value of a cell comes from, as far as something here wrote it: what, when, how sure, and by whom."""
    return provenance.why(db, target, arguments.required("key", key), arguments.required("column", column))
