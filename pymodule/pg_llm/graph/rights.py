"""Whose rows a graph may speak of: the source's own row-level security decides, row by row where it is on.

Those tables nobody has named. So they are looked into only where that runs no code whose owner the caller cannot
trust; else, and where looking fails, their rows are hidden.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm.database import foreign_code
from pg_llm.database.connection import Connection, DatabaseError, Row, Statement
from pg_llm.errors import Error
from pg_llm.graph import source as graph_source

# Of errors, those that are not the table's: cancelled or shut down, deadlocks, no memory or disk.
_NOT_THE_TABLES = ("57", "40", "53")
# For a lock on a table, so that its owner makes nobody wait.
_PATIENCE = "100ms"
_Moment = tuple[int, int, int]


def readable_graph_sources(db: Connection, whole: bool | None) -> list[int]:
    """The sources of graphs whose every row the caller may read, or those where row-level security decides."""
    query = "SELECT coalesce(array_agg(s.id), '{}') AS ids FROM llm.readable_graph_source AS s WHERE s.whole = $1"
    return list(db.rows(query, ("bool",), (whole,))[0]["ids"])


def graph_row_readable(db: Connection, source: int | None, key: str | None) -> bool:
    """Whether the caller's row-level security shows a row that a graph has read; the views of graphs call it."""
    if source is None or key is None:
        return False
    probe = _probes.of(db, source)
    return probe is not None and any(row["there"] for row in _found(db, probe, (key,)))


def looked_up(
    db: Connection, oids: Sequence[int], query: str, types: Sequence[str], values: Sequence[Any]
) -> list[Row]:
    """The rows of a query on tables that the caller did not name; none where these hide themselves from it."""
    with _hastily(db):
        plan = _prepared(db, oids, query, types)
        return _found(db, plan, values) if plan else []


def _prepared(db: Connection, oids: Sequence[int], query: str, types: Sequence[str]) -> Statement | None:
    try:
        # Which locks them, before anything of theirs can run.
        plan = db.prepare(query, types)
        return None if foreign_code.find_ever(db, oids, db.current_role()) else plan
    except DatabaseError as error:
        _raise_unless_hidden(error)
        return None


def _found(db: Connection, plan: Statement, values: Sequence[Any]) -> list[Row]:
    try:
        return plan.rows(values)
    except DatabaseError as error:
        _raise_unless_hidden(error)
        return []


@contextlib.contextmanager
def _hastily(db: Connection) -> Iterator[None]:
    """Do not wait for whoever has locked a table."""
    query = "SELECT current_setting('lock_timeout') AS before, set_config('lock_timeout', $1, true)"
    before = db.rows(query, ("text",), (_PATIENCE,))[0]["before"]
    yield
    # Not after an error that is the statement's: the transaction that ends takes the setting along.
    db.rows(query, ("text",), (before,))


class _Probes:
    """The statements that look for rows of sources, for as long as what was found out about these holds."""

    def __init__(self) -> None:
        self._moment: _Moment | None = None
        self._plans: dict[int, Statement | None] = {}

    def of(self, db: Connection, source: int) -> Statement | None:
        """The source's, or None where none of its rows is shown."""
        now = db.moment()
        if now != self._moment:
            self._moment, self._plans = now, {}
        # Of this role, whoever else asks meanwhile.
        plans = self._plans
        if source not in plans:
            plans[source] = _probe(db, source)
        return plans[source]


_probes = _Probes()


def _probe(db: Connection, source: int) -> Statement | None:
    # Triples that were imported are of no row: where rows are hidden they are.
    if not db.rows("SELECT FROM llm.graph_source WHERE id = $1 AND kind <> 'import'", ("int4",), (source,)):
        return None
    try:
        of = graph_source.numbered(db, source)
    except Error:
        # It does not fit its table any more.
        return None
    with _hastily(db):
        plan = _prepared(db, [of.table.oid, *of.beside], of.probe, ("text",))
        # The first run locks whatever else it reads.
        return plan if plan and _found(db, plan, ("{}",)) else None


def _raise_unless_hidden(error: DatabaseError) -> None:
    if error.sqlstate.startswith(_NOT_THE_TABLES):
        raise error
