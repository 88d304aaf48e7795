"""SQL: training: a model learns from the rows of a query, and callers can name it."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm import options as options_
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.training import jobs, similar_rows
from pg_llm.training.options import OPTIONS, TrainingJob


@sql_function
def llm_fit(
    db: Connection,
    name: str | None,
    task: str | None,
    query: str | None,
    base: str | None,
    method: str | None,
    options: Any,
) -> dict[str, Any]:
    """Train a model on the rows of a query and register it; returns what was measured on rows kept back."""
    task, query = arguments.required("task", task), arguments.required("query", query)
    return jobs.fit(db, name, TrainingJob.checked(task, method, arguments.options(options)), query, base)


@sql_function
def llm_tune(
    db: Connection,
    name: str | None,
    task: str | None,
    query: str | None,
    base: str | None,
    method: str | None,
    trials: int | None,
    options: Any,
) -> dict[str, Any]:
    """Train a model with the best hyperparameters of some trials; returns what was measured on rows none has seen."""
    task, query = arguments.required("task", task), arguments.required("query", query)
    count = arguments.in_range("trials", trials, 1, 1000)
    return jobs.fit(db, name, TrainingJob.searched(task, method, arguments.options(options), count), query, base)


@sql_function
def llm_self_train(
    db: Connection, name: str | None, query: str | None, unlabelled: str | None, base: str | None, options: Any
) -> dict[str, Any]:
    """Train a classifier on labelled rows and on its own sure answers to unlabelled ones, as far as that helps."""
    query, unlabelled = arguments.required("query", query), arguments.required("unlabelled", unlabelled)
    chosen = options_.check(OPTIONS, "self_train", arguments.options(options))
    return jobs.self_train(db, name, TrainingJob("classify", "self_train", chosen), query, unlabelled, base)


@sql_function
def llm_suspect_labels(db: Connection, query: str | None, model: str | None) -> list[dict[str, Any]]:
    """The rows of a query whose label is probably wrong, most doubtful first, with the label that fits better."""
    return jobs.suspect_labels(db, query, model)


@sql_function
def llm_similar_training(
    db: Connection, input: str | None, model: str | None, query: str | None, k: int | None
) -> list[dict[str, Any]]:
    """The labelled rows of a query that a text is most like to a model: what speaks for its answer."""
    given = arguments.required("model", model), arguments.required("query", query)
    return similar_rows.nearest(db, input, *given, arguments.in_range("k", k, 1, 1000))
