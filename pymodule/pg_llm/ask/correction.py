"""Execution feedback: a model that wrote a query which fails or finds nothing is told, and writes it anew.

Self-debugging (Chen et al. 2023).
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from pg_llm.ask import column_repair, execution
from pg_llm.ask.candidates import Candidate
from pg_llm.ask.context import Scope
from pg_llm.ask.schema import Schema
from pg_llm.ask.writer import Conversation, Writer
from pg_llm.database import models
from pg_llm.database.connection import Connection

_MISSING_COLUMN = re.compile(r"column (\S+) does not exist")
_MISSING_TABLE = re.compile(r"missing FROM-clause entry")
_NOTHING_FOUND = (
    "no row matches it. Compare its conditions with the values and rows above; if it is right nevertheless, repeat it"
)


def correct(db: Connection, candidate: Candidate, scope: Scope, writer: Writer, schema: Schema) -> Candidate | None:
    """What the model makes of its query once it is told what is wrong with it; None where it repeats it."""
    conversation = _with_feedback(candidate, schema)
    sql = writer.correct(conversation)
    if sql is None or sql == candidate.sql:
        return None
    after = Candidate(sql, "model", votes=candidate.votes, conversation=conversation)
    execution.run(db, [after], scope)
    return repaired(db, after, scope, schema)


def repaired(db: Connection, candidate: Candidate, scope: Scope, schema: Schema) -> Candidate:
    """The candidate, or one that runs where it failed by a column of another of its tables."""
    if _MISSING_COLUMN.search(candidate.failure) or _MISSING_TABLE.search(candidate.failure):
        told = json.loads(models.run_without_model(db, "sql_check", [candidate.sql], purpose="columns")[0])
        sql = column_repair.repaired(told, schema) if "columns" in told else None
        if sql is not None:
            again = replace(candidate, sql=sql, repaired=True, failure="")
            execution.run(db, [again], scope)
            return again if again.result is not None else candidate
    return candidate


def _with_feedback(candidate: Candidate, schema: Schema) -> Conversation:
    told = f"That query cannot be the answer: {problem(candidate)}.{_where_it_is(candidate.failure, schema)}"
    return [
        *candidate.conversation,
        {"role": "assistant", "content": candidate.sql},
        {"role": "user", "content": f"{told}\nWrite only the SQL."},
    ]


def _where_it_is(failure: str, schema: Schema) -> str:
    """Which tables have the column that a query looked for in the wrong one, or in a table that it did not join."""
    missing = _MISSING_COLUMN.search(failure)
    if missing is None:
        return ""
    name = missing[1].rpartition(".")[2].strip('"')
    tables = [table.sql for table in schema.tables if any(column.name == name for column in table.columns)]
    return f" {name} is a column of: {', '.join(tables)}." if tables else f" No table has a column {name}."


def problem(candidate: Candidate) -> str:
    """What to tell the model about its query; empty if it may be right."""
    if candidate.result is None:
        return candidate.failure
    found = any(value is not None for row in candidate.result.rows for value in row)
    return "" if found else _NOTHING_FOUND
