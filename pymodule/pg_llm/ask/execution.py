"""Check and run candidate queries: in the sandbox, with the caller's rights, within a total time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from pg_llm.ask import schema_reader
from pg_llm.ask.candidates import Candidate
from pg_llm.ask.context import Scope
from pg_llm.database import sandbox, table_access
from pg_llm.database.connection import Connection
from pg_llm.database.sandbox import QueryLimits, Refused, ValidatedQuery

# The total time of all queries as a multiple of the limit for one.
_TOTAL_TIME = 2.0


def run(db: Connection, candidates: Sequence[Candidate], scope: Scope) -> None:
    """Run the candidates in order; duplicates share one result, and those that may not be run have a failure."""
    limits = sandbox.limits(db)
    deadline = time.monotonic() + _TOTAL_TIME * limits.seconds
    first_of: dict[str, Candidate] = {}
    checked = sandbox.check(db, [candidate.sql for candidate in candidates], scope.path)
    for candidate, query in zip(candidates, checked, strict=True):
        if isinstance(query, Refused):
            candidate.failure = str(query)
            continue
        candidate.failure = _forbidden(db, query, scope)
        if candidate.failure:
            continue
        candidate.validated = query
        same = first_of.setdefault(query.qualified, candidate)
        if same is not candidate:
            candidate.result, candidate.failure = same.result, same.failure
        elif time.monotonic() > deadline:
            candidate.failure = "other readings took all the time"
        else:
            _run(db, candidate, query, limits, scope.selection.role)


def _forbidden(db: Connection, query: ValidatedQuery, scope: Scope) -> str:
    """Why a query may not be run; empty if it may.

    If no tables were named, other tables may be read unless they run code that the caller cannot trust.
    """
    if scope.tables is not None:
        inside = set(query.relations) <= set(scope.tables)
        return "" if inside else "the SQL reads other tables than those named"
    others = [oid for oid in query.relations if oid not in scope.selection.oids]
    return schema_reader.exclusion_note(db, schema_reader.untrusted(db, others))


def _run(db: Connection, candidate: Candidate, query: ValidatedQuery, limits: QueryLimits, role: int) -> None:
    try:
        candidate.result = table_access.as_role(db, role, partial(sandbox.run, db, query, limits))
    except Refused as refused:
        candidate.failure = str(refused)
