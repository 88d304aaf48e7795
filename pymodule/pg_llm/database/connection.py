"""The database as topic code sees it: one small interface with an adapter for PL/Python and one for psycopg.

Everything that a topic does with the database goes through a `Connection`, so that the same code runs in a backend, in
a worker and under pytest. Values come as PL/Python gives them: numbers, booleans and arrays as Python's own, numeric as
Decimal, bytea as bytes, and all else, JSON too, as text.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

_R = TypeVar("_R")
Row = dict[str, Any]
# SQLSTATE of a query that was cancelled, by anybody or by a timeout.
CANCELLED = "57014"
_UNIQUE_VIOLATION, _INTERNAL_ERROR = "23505", "XX000"
# Schemas in whose tables nobody writes but the server and the extension, which look first whether a row is there.
_SHARED = ("llm", "pg_catalog")
# Rows that a cursor fetches at once.
BATCH = 5000
_SETTING = "SELECT pg_catalog.current_setting($1, true) AS value"


class DatabaseError(Exception):
    """What the server reports: message, SQLSTATE, detail, hint, and the position in the query, counted from 1.

    `schema` is that of the table whose constraint is violated, where the error is about one.
    """

    def __init__(
        self,
        message: str,
        sqlstate: str,
        detail: str | None = None,
        hint: str | None = None,
        position: int | None = None,
        schema: str | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.position = position
        self.schema = schema

    @property
    def is_collision(self) -> bool:
        """Whether another transaction wrote the same at the same time: into our tables, or into the catalogs."""
        return (self.sqlstate == _UNIQUE_VIOLATION and self.schema in _SHARED) or (
            self.sqlstate == _INTERNAL_ERROR and str(self).startswith("tuple concurrently ")
        )


class Statement(abc.ABC):
    """A prepared statement. It has been parsed: the relations that it names are locked until the transaction ends."""

    @abc.abstractmethod
    def rows(self, values: Sequence[Any] = ()) -> list[Row]:
        """The rows that it gives for values of its parameters $1, $2 and so on."""


class Connection(abc.ABC):
    """A session with the server, inside a transaction. What the server reports is raised as DatabaseError."""

    @abc.abstractmethod
    def prepare(self, query: str, types: Sequence[str] = ()) -> Statement:
        """The statement with parameters $1, $2 and so on of these types, for as long as it is referred to."""

    @abc.abstractmethod
    def rows(self, query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query whose text is used again: it is prepared once, and forgotten when it was long unused."""

    def query_unprepared(self, query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query that is made for one table: prepared, run and forgotten."""
        return self.prepare(query, types).rows(values)

    @abc.abstractmethod
    def execute(self, statement: str) -> list[Row]:
        """The rows, if any, of one statement without parameters."""

    @abc.abstractmethod
    def batches(
        self, query: str, types: Sequence[str] = (), values: Sequence[Any] = (), size: int = BATCH
    ) -> Iterator[list[Row]]:
        """The rows of a query, fetched by a cursor, at most `size` at a time."""

    def stream(self, query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query that gives as many as a table has; of these only a batch is held at a time."""
        for rows in self.batches(query, types, values):
            yield from rows

    @abc.abstractmethod
    def describe(self, query: str) -> list[tuple[str, int]]:
        """Name and type oid of each column of a query, of which no row is fetched.

        SQLSTATE 42601 where the text is not exactly one query.
        """

    def setting(self, name: str) -> str | None:
        """The value of a setting; None where nobody has set one that the server does not know by itself."""
        value: str | None = self.rows(_SETTING, ("text",), (name,))[0]["value"]
        return value

    @abc.abstractmethod
    def savepoint(self) -> contextlib.AbstractContextManager[object]:
        """Run the block in a subtransaction, which an exception that leaves the block rolls back."""

    @abc.abstractmethod
    def commit(self) -> None:
        """Commit, and begin another transaction. DatabaseError 2D000 where the caller's transaction forbids it."""

    @abc.abstractmethod
    def poll(self) -> None:
        """Let the server act on cancel, timeout or termination. Raises interrupts.Interrupted."""

    @abc.abstractmethod
    def cancel_after(self, seconds: float) -> contextlib.AbstractContextManager[object]:
        """While the block runs, the server cancels the query that is running once the time is over (SQLSTATE 57014).

        A query that catches the cancel and goes on ends with its session a little later.
        """

    @abc.abstractmethod
    def notice(self, message: str, hint: str | None = None) -> None:
        """Tell the client."""

    @abc.abstractmethod
    def warning(self, message: str, hint: str | None = None) -> None:
        """Warn the client."""

    @abc.abstractmethod
    def log(self, message: str) -> None:
        """Write to the server's log."""

    @abc.abstractmethod
    def current_role(self) -> int:
        """The oid of the role whose rights statements have."""

    @abc.abstractmethod
    def run_as(self, role: int, work: Callable[[], _R]) -> _R:
        """Run `work` to its end with the rights of a role (its oid), in a security-restricted operation."""

    @abc.abstractmethod
    def replicate_as(self, owner: int, role: int, work: Callable[[], _R]) -> _R:
        """As `run_as`, and as logical replication writes: only those triggers and rules fire that are for it.

        `owner` is a role that may set session_replication_role.
        """

    @abc.abstractmethod
    def moment(self) -> tuple[int, int, int]:
        """Transaction, statement of the client, role: what was found under a lock holds while these are the same."""
