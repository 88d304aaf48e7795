"""Execution feedback: a model that wrote a query which fails or finds nothing is told, and writes it anew.

Self-debugging (Chen et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask import execution
from pg_llm.ask.candidates import Candidate
from pg_llm.ask.context import Scope
from pg_llm.ask.writer import Conversation, Writer
from pg_llm.database.connection import Connection

_MOST_ROUNDS = 3
_NOTHING_FOUND = (
    "no row matches it. Compare its conditions with the values and rows above; if it is right nevertheless, repeat it"
)


def correct(
    db: Connection, candidates: Sequence[Candidate], scope: Scope, writer: Writer
) -> list[Candidate]:
    """The candidates after at most three rounds of feedback on those that the model wrote."""
    settled: list[Candidate] = [candidate for candidate in candidates if candidate.source != "model"]
    open_ = [candidate for candidate in candidates if candidate.source == "model"]
    for _ in range(_MOST_ROUNDS):
        wrong = [candidate for candidate in open_ if _problem(candidate)]
        settled += [candidate for candidate in open_ if not _problem(candidate)]
        conversations = [_with_feedback(candidate) for candidate in wrong]
        corrected = writer.correct(conversations) if wrong else []
        open_ = []
        for before, conversation, sql in zip(wrong, conversations, corrected, strict=True):
            if sql is None or sql == before.sql:
                settled.append(before)
            else:
                open_.append(Candidate(sql, "model", votes=before.votes, conversation=conversation))
        if not open_:
            return settled
        execution.run(db, open_, scope)
    return settled + open_


def _with_feedback(candidate: Candidate) -> Conversation:
    return [
        *candidate.conversation,
        {"role": "assistant", "content": candidate.sql},
        {"role": "user", "content": f"That query cannot be the answer: {_problem(candidate)}.\nWrite only the SQL."},
    ]


def _problem(candidate: Candidate) -> str:
    """What to tell the model about its query; empty if it may be right."""
    if candidate.result is None:
        return candidate.failure
    found = any(value is not None for row in candidate.result.rows for value in row)
    return "" if found else _NOTHING_FOUND
