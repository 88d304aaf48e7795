"""Row visibility: the row-level security of a source decides whose rows a graph may speak of, row by row.

The caller has not named these tables. They are read only where that runs no code whose owner the caller cannot trust;
otherwise, and where reading fails, their rows are hidden.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm.database import foreign_code
from pg_llm.database.connection import Connection, DatabaseError, Row, Statement
from pg_llm.errors import ConcurrentChange, Error
from pg_llm.graph import source as graph_source

# SQLSTATE classes of errors that are not the table's fault: cancel and shutdown, deadlock, no memory or disk.
_UNRELATED_ERRORS = ("57", "40", "53")
# For locks on tables, so that the owner of one makes no reader wait.
_LOCK_TIMEOUT = "100ms"
_Moment = tuple[int, int, int]


def readable_sources(db: Connection, whole: bool | None) -> list[int]:
    """The ids of the sources that the caller may read as a whole, or of those that row-level security restricts."""
    query = "SELECT coalesce(array_agg(s.id), '{}') AS ids FROM llm.readable_graph_source AS s WHERE s.whole = $1"
    return list(db.rows(query, ("bool",), (whole,))[0]["ids"])


def row_visible(db: Connection, source: int | None, key: str | None) -> bool:
    """Whether the caller sees the row of a source that has this primary key, a JSON object."""
    if source is None or key is None:
        return False
    query = _visibility_queries.of_source(db, source)
    return query is not None and any(row["there"] for row in _rows_unless_hidden(db, query, (key,)))


def query_untrusted(
    db: Connection, oids: Sequence[int], query: str, types: Sequence[str], values: Sequence[Any]
) -> list[Row]:
    """The rows of a query on tables that the caller did not name; none where these cannot be trusted or read."""
    with _short_lock_timeout(db):
        statement = _prepare_trusted(db, oids, query, types)
        return _rows_unless_hidden(db, statement, values) if statement else []


def _prepare_trusted(db: Connection, oids: Sequence[int], query: str, types: Sequence[str]) -> Statement | None:
    try:
        # This locks the tables, so that no foreign code can be added after the check.
        statement = db.prepare(query, types)
        return None if foreign_code.find_ever(db, oids, db.current_role()) else statement
    except ConcurrentChange:
        # Its owner is giving its name to another one: hidden, so that nobody can break the views for all.
        return None
    except DatabaseError as error:
        _raise_if_unrelated(error)
        return None


def _rows_unless_hidden(db: Connection, statement: Statement, values: Sequence[Any]) -> list[Row]:
    try:
        return statement.rows(values)
    except DatabaseError as error:
        _raise_if_unrelated(error)
        return []


@contextlib.contextmanager
def _short_lock_timeout(db: Connection) -> Iterator[None]:
    query = "SELECT current_setting('lock_timeout') AS before, set_config('lock_timeout', $1, true)"
    before = db.rows(query, ("text",), (_LOCK_TIMEOUT,))[0]["before"]
    yield
    # No `finally` needed: after an error, the rollback restores the setting.
    db.rows(query, ("text",), (before,))


class _VisibilityQueries:
    """The prepared visibility queries of sources, kept as long as the check that allowed them holds."""

    def __init__(self) -> None:
        self._moment: _Moment | None = None
        self._statements: dict[int, Statement | None] = {}

    def of_source(self, db: Connection, source: int) -> Statement | None:
        """The query of a source, or None where the caller may see none of its rows."""
        now = db.moment()
        if now != self._moment:
            self._moment, self._statements = now, {}
        # Preparing may call this function again as another role, which then has a dictionary of its own.
        statements = self._statements
        if source not in statements:
            statements[source] = _prepare_visibility_query(db, source)
        return statements[source]


_visibility_queries = _VisibilityQueries()


def _prepare_visibility_query(db: Connection, source: int) -> Statement | None:
    # Imported triples belong to no row: where rows are hidden, all of these are.
    if not db.rows("SELECT FROM llm.graph_source WHERE id = $1 AND kind <> 'import'", ("int4",), (source,)):
        return None
    try:
        row_source = graph_source.by_id(db, source)
    except Error:
        # The source no longer fits its table.
        return None
    with _short_lock_timeout(db):
        statement = _prepare_trusted(
            db, [row_source.table.oid, *row_source.foreign_oids], row_source.visibility_query, ("text",)
        )
        # The first run locks whatever else the query reads, such as the tables of a policy.
        return statement if statement and _rows_unless_hidden(db, statement, ("{}",)) else None


def _raise_if_unrelated(error: DatabaseError) -> None:
    if error.sqlstate.startswith(_UNRELATED_ERRORS):
        raise error
