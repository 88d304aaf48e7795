"""SQL: evaluation: how well a model labels rows whose labels are known."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.training import calibration, evaluation


@sql_function
def llm_evaluate(
    db: Connection, model: str | None, query: str | None, labels: list[str] | None
) -> list[dict[str, Any]]:
    """How well a model labels the rows of a query: precision, recall and F1 of each label and on average."""
    known = arguments.labels(labels)
    return evaluation.evaluate(db, arguments.required("model", model), arguments.required("query", query), known)


@sql_function
def llm_promote(db: Connection, name: str | None, over: str | None, query: str | None) -> list[dict[str, Any]]:
    """Let a name stand for a new model from now on, if that labels the rows of a query better; shows both scores."""
    required = arguments.required
    return evaluation.promote(db, required("name", name), required("over", over), required("query", query))


@sql_function
def llm_calibrate(db: Connection, model: str | None, query: str | None) -> dict[str, Any]:
    """Calibrate a classifier on labelled rows that it has not learnt from, for llm_classify_set."""
    return calibration.calibrate(db, arguments.required("model", model), arguments.required("query", query))
