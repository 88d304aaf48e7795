"""SQL: questions to a graph: what it says about them, and the answer where it holds one."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import answer, context

_MAX_TOKENS = 100_000


@sql_function
def graph_context(db: Connection, question: str | None, graph: str | None, token_limit: int | None) -> str | None:
    """What a graph says that bears on a question, as text with citations, for a prompt."""
    return context.context(db, graph, question, arguments.in_range("token_limit", token_limit, 1, _MAX_TOKENS))


@sql_function
def graph_answer(db: Connection, question: str | None, graph: str | None) -> list[answer.Answer]:
    """The answer to a question that a graph holds, with its evidence; NULL where it does not hold it."""
    return [answer.answer_question(db, graph, question)]
