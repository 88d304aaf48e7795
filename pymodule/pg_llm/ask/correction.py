"""Execution feedback: a model that wrote a query which fails or finds nothing is told, and writes it anew.

Self-debugging (Chen et al. 2023).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask import column_repair, execution
from pg_llm.ask.candidates import Candidate
from pg_llm.ask.context import Scope
from pg_llm.ask.schema import Schema
from pg_llm.ask.writer import Conversation, Writer
from pg_llm.database import models
from pg_llm.database.connection import Connection

_MOST_ROUNDS = 3
_MISSING_COLUMN = re.compile(r"column (\S+) does not exist")
_MISSING_TABLE = re.compile(r"missing FROM-clause entry")
_NOTHING_FOUND = (
    "no row matches it. Compare its conditions with the values and rows above; if it is right nevertheless, repeat it"
)


def correct(
    db: Connection, candidates: Sequence[Candidate], scope: Scope, writer: Writer, schema: Schema
) -> list[Candidate]:
    """The candidates after at most three rounds of feedback on those that the model wrote.

    Where most samples agree on a result the others cannot outvote them, and are left as they are. So are those that
    fail once more in the same way.
    """
    settled: list[Candidate] = [candidate for candidate in candidates if candidate.source != "model"]
    open_ = _repaired(db, [candidate for candidate in candidates if candidate.source == "model"], scope, schema)
    for _ in range(_MOST_ROUNDS):
        wrong = [candidate for candidate in open_ if _problem(candidate)]
        settled += [candidate for candidate in open_ if not _problem(candidate)]
        if 2 * _most_votes(settled) > writer.samples:
            return settled + wrong
        conversations = [_with_feedback(candidate, schema) for candidate in wrong]
        corrected = writer.correct(conversations) if wrong else []
        open_, failures = [], []
        for before, conversation, sql in zip(wrong, conversations, corrected, strict=True):
            if sql is None or sql == before.sql:
                settled.append(before)
            else:
                open_.append(Candidate(sql, "model", votes=before.votes, conversation=conversation))
                failures.append(before.failure)
        if not open_:
            return settled
        execution.run(db, open_, scope)
        tried = list(zip(_repaired(db, open_, scope, schema), failures, strict=True))
        settled += [after for after, failure in tried if after.failure and after.failure == failure]
        open_ = [after for after, failure in tried if not after.failure or after.failure != failure]
    return settled + open_


def _most_votes(candidates: Sequence[Candidate]) -> int:
    """How many samples agree on a result at the most; those whose columns were put right do not count."""
    votes: Counter[str | None] = Counter()
    for candidate in candidates:
        if candidate.source == "model" and candidate.result is not None and not candidate.repaired:
            votes[candidate.fingerprint()] += candidate.votes
    return max(votes.values(), default=0)


def _repaired(db: Connection, candidates: Sequence[Candidate], scope: Scope, schema: Schema) -> list[Candidate]:
    """The candidates, those that fail by a column of another of their tables as they run without that slip."""
    tried: list[tuple[int, Candidate]] = []
    for place, candidate in enumerate(candidates):
        if _MISSING_COLUMN.search(candidate.failure) or _MISSING_TABLE.search(candidate.failure):
            told = json.loads(models.run_without_model(db, "sql_check", [candidate.sql], purpose="columns")[0])
            sql = column_repair.repaired(told, schema) if "columns" in told else None
            if sql is not None:
                again = replace(candidate, sql=sql, repaired=True, failure="")
                tried.append((place, again))
    execution.run(db, [again for _, again in tried], scope)
    mended = {place: again for place, again in tried if again.result is not None}
    return [mended.get(place, candidate) for place, candidate in enumerate(candidates)]


def _with_feedback(candidate: Candidate, schema: Schema) -> Conversation:
    problem = f"That query cannot be the answer: {_problem(candidate)}.{_where_it_is(candidate.failure, schema)}"
    return [
        *candidate.conversation,
        {"role": "assistant", "content": candidate.sql},
        {"role": "user", "content": f"{problem}\nWrite only the SQL."},
    ]


def _where_it_is(failure: str, schema: Schema) -> str:
    """Which tables have the column that a query looked for in the wrong one, or in a table that it did not join."""
    missing = _MISSING_COLUMN.search(failure)
    if missing is None:
        return ""
    name = missing[1].rpartition(".")[2].strip('"')
    tables = [table.sql for table in schema.tables if any(column.name == name for column in table.columns)]
    return f" {name} is a column of: {', '.join(tables)}." if tables else f" No table has a column {name}."


def _problem(candidate: Candidate) -> str:
    """What to tell the model about its query; empty if it may be right."""
    if candidate.result is None:
        return candidate.failure
    found = any(value is not None for row in candidate.result.rows for value in row)
    return "" if found else _NOTHING_FOUND
