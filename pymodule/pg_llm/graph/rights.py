"""Whose rows a graph may speak of: the source's own row-level security decides, row by row where it is on.

Those tables nobody has named. So they are looked into only where that runs no code whose owner the caller cannot
trust; else, and where looking fails, their rows are hidden.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import plpy

from pg_llm.database import foreign_code, security_context, session
from pg_llm.database.session import Row
from pg_llm.errors import Error
from pg_llm.graph import source as graph_source

# Of errors, those that are not the table's: cancelled or shut down, deadlocks, no memory or disk.
_NOT_THE_TABLES = ("57", "40", "53")
# For a lock on a table, so that its owner makes nobody wait.
_PATIENCE = "100ms"
_Moment = tuple[int, int, int]


def readable_graph_sources(whole: bool | None) -> list[int]:
    """The sources of graphs whose every row the caller may read, or those where row-level security decides."""
    query = "SELECT coalesce(array_agg(s.id), '{}') AS ids FROM llm.readable_graph_source AS s WHERE s.whole = $1"
    return list(session.rows(query, ("bool",), (whole,))[0]["ids"])


def graph_row_readable(source: int | None, key: str | None) -> bool:
    """Whether the caller's row-level security shows a row that a graph has read; the views of graphs call it."""
    if source is None or key is None:
        return False
    probe = _probes.of(source)
    return probe is not None and any(row["there"] for row in _found(probe, (key,)))


def looked_up(oids: Sequence[int], query: str, types: Sequence[str], values: Sequence[Any]) -> list[Row]:
    """The rows of a query on tables that the caller did not name; none where these hide themselves from it."""
    with _hastily():
        plan = _prepared(oids, query, types)
        return _found(plan, values) if plan else []


def _prepared(oids: Sequence[int], query: str, types: Sequence[str]) -> Any | None:
    try:
        # Which locks them, before anything of theirs can run.
        plan = plpy.prepare(query, list(types))
        return None if foreign_code.find_ever(oids, security_context.current_role()) else plan
    except plpy.SPIError as error:
        _raise_unless_hidden(error)
        return None


def _found(plan: Any, values: Sequence[Any]) -> list[Row]:
    try:
        return list(plpy.execute(plan, list(values)))
    except plpy.SPIError as error:
        _raise_unless_hidden(error)
        return []


@contextlib.contextmanager
def _hastily() -> Iterator[None]:
    """Do not wait for whoever has locked a table."""
    query = "SELECT current_setting('lock_timeout') AS before, set_config('lock_timeout', $1, true)"
    before = session.rows(query, ("text",), (_PATIENCE,))[0]["before"]
    yield
    # Not after an error that is the statement's: the transaction that ends takes the setting along.
    session.rows(query, ("text",), (before,))


class _Probes:
    """The statements that look for rows of sources, for as long as what was found out about these holds."""

    def __init__(self) -> None:
        self._moment: _Moment | None = None
        self._plans: dict[int, Any | None] = {}

    def of(self, source: int) -> Any | None:
        """The source's, or None where none of its rows is shown."""
        now = security_context.moment()
        if now != self._moment:
            self._moment, self._plans = now, {}
        # Of this role, whoever else asks meanwhile.
        plans = self._plans
        if source not in plans:
            plans[source] = _probe(source)
        return plans[source]


_probes = _Probes()


def _probe(source: int) -> Any | None:
    # Triples that were imported are of no row: where rows are hidden they are.
    if not session.rows("SELECT FROM llm.graph_source WHERE id = $1 AND kind <> 'import'", ("int4",), (source,)):
        return None
    try:
        of = graph_source.numbered(source)
    except Error:
        # It does not fit its table any more.
        return None
    with _hastily():
        plan = _prepared([of.table.oid, *of.beside], of.probe, ("text",))
        # The first run locks whatever else it reads.
        return plan if plan and _found(plan, ("{}",)) else None


def _raise_unless_hidden(error: plpy.SPIError) -> None:
    if error.sqlstate.startswith(_NOT_THE_TABLES):
        raise error
