"""SQL: questions answered by SQL: read, checked, run with the caller's rights, compared, and said in a sentence."""

from __future__ import annotations

from typing import Any

from pg_llm.ask import answering
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_sql(db: Connection, question: str | None, tables: list[str] | None, model: str | None) -> list[dict[str, Any]]:
    """The SELECT that answers a question about your tables, how sure it is, and what else the question may mean."""
    return answering.llm_sql(db, question, tables, model)


@sql_function
def ask(db: Connection, question: str | None, tables: list[str] | None, model: str | None) -> list[dict[str, Any]]:
    """The answer to a question about your tables, SQL, rows, chart; below llm.ask_threshold only why there is none."""
    return answering.ask(db, question, tables, model)


@sql_function
def ask_rows(db: Connection, question: str | None, tables: list[str] | None, model: str | None) -> list[dict[str, Any]]:
    """The rows that answer a question about your tables, one object each; an error where none are sure enough."""
    return answering.ask_rows(db, question, tables, model)


@sql_function
def ask_feedback(db: Connection, id: str | None, correct: bool | None, sql: str | None) -> None:
    """Say whether a question of your llm.ask_log was answered rightly, or by which SQL it is; this teaches."""
    answering.ask_feedback(db, id, correct, sql)
