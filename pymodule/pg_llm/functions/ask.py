"""SQL: answer questions about the tables that the caller may read."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.ask import answering, calibration
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput

_LONGEST_QUESTION = 4000


@sql_function
def llm_sql(
    db: Connection, question: str | None, tables: list[str] | None, model: str | None, after: str | None
) -> list[dict[str, Any]]:
    """The SELECT that answers a question about your tables, how sure it is, and what else the question may mean."""
    return [answering.suggest_sql(db, _question(question), _table_names(tables), model, after)]


@sql_function
def ask(
    db: Connection,
    question: str | None,
    tables: list[str] | None,
    model: str | None,
    after: str | None,
    explain: bool | None,
) -> list[dict[str, Any]]:
    """The answer to a question about your tables, SQL, rows, chart; below llm.ask_threshold only why there is none."""
    return [answering.answer(db, _question(question), _table_names(tables), model, after, bool(explain))]


@sql_function
def ask_rows(
    db: Connection, question: str | None, tables: list[str] | None, model: str | None, after: str | None
) -> list[dict[str, Any]]:
    """The rows that answer a question about your tables, one object each; an error where none are sure enough."""
    return answering.answer_rows(db, _question(question), _table_names(tables), model, after)


@sql_function
def ask_feedback(db: Connection, id: str | None, correct: bool | None, sql: str | None) -> None:
    """Say whether a question of your llm.ask_log was answered rightly, or by which SQL it is; this teaches."""
    is_right = arguments.required("correct", correct)
    answering.record_feedback(db, arguments.required("id", id), is_right, sql)


@sql_function
def llm_calibrate_ask(db: Connection, model: str | None) -> list[dict[str, Any]]:
    """Measure on your taught questions how often a model answers rightly; ask is as sure of it from then on."""
    return calibration.calibrate(db, model)


def _question(question: str | None) -> str:
    text = arguments.required("question", question).strip()
    if not 0 < len(text) <= _LONGEST_QUESTION:
        raise InvalidInput(
            f"a question has 1 to {_LONGEST_QUESTION} characters, not {len(text)}", hint="Ask one thing at a time."
        )
    return text


def _table_names(tables: list[str] | None) -> list[str] | None:
    if tables is not None and any(table is None for table in tables):
        raise InvalidInput("tables must not hold NULL", hint="array_remove(tables, NULL) leaves it out.")
    return tables
