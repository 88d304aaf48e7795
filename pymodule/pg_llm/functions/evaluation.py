"""SQL: evaluation: how well a model labels rows whose labels are known."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.training import calibration, diagnostics, evaluation, membership


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


@sql_function
def llm_confusion(
    db: Connection, model: str | None, query: str | None, labels: list[str] | None
) -> list[dict[str, Any]]:
    """How often rows of each label were given each label by a classifier: the confusion matrix."""
    given = arguments.required("model", model), arguments.required("query", query)
    return diagnostics.confusion(db, *given, arguments.labels(labels))


@sql_function
def llm_reliability(
    db: Connection, model: str | None, query: str | None, labels: list[str] | None, bins: int | None
) -> list[dict[str, Any]]:
    """How often a classifier is right where it is so sure: the points of a reliability diagram."""
    given = arguments.required("model", model), arguments.required("query", query)
    parts = arguments.in_range("bins", bins, 1, 100)
    return diagnostics.reliability(db, *given, arguments.labels(labels), parts)


@sql_function
def llm_privacy_report(
    db: Connection, model: str | None, members: str | None, non_members: str | None
) -> list[dict[str, Any]]:
    """How well an attack by its loss tells which rows a classifier has learnt from: 0.5 is chance."""
    required = arguments.required
    given = required("members", members), required("non_members", non_members)
    return membership.report(db, required("model", model), *given)
