"""SQL: answers from the texts of tables, with their sources."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.search import answering

_LONGEST_QUESTION = 4000
_MOST_PASSAGES = 50
_MOST_TABLES = 20


@sql_function
def semantic_answer(
    db: Connection,
    question: str | None,
    target: str | None,
    k: int | None,
    model: str | None,
    also: list[str | None] | None,
    filter: str | None,
    name: str | None,
    rerank: str | None,
    entailment: str | None,
    threshold: float | None,
) -> list[answering.Answer]:
    """The answer to a question from the texts of tables, with checked citations; NULL where they do not answer it."""
    targets = [arguments.required("target", target), *_further(also)]
    limit = arguments.in_range("k", k, 1, _MOST_PASSAGES)
    sure = arguments.threshold(threshold)
    text = (question or "").strip()
    if len(text) > _LONGEST_QUESTION:
        raise InvalidInput(f"a question has at most {_LONGEST_QUESTION} characters, not {len(text)}")
    if not text:
        return [answering.NO_ANSWER]
    sources = answering.Sources(targets, limit, filter, name, rerank)
    return [answering.answer(db, text, sources, model, entailment, sure)]


def _further(also: list[str | None] | None) -> list[str]:
    tables = [arguments.required("also", table) for table in also or []]
    if len(tables) >= _MOST_TABLES:
        raise InvalidInput(f"at most {_MOST_TABLES} tables are searched at once")
    return list(dict.fromkeys(tables))
