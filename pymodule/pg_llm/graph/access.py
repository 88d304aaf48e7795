"""With whose rights a graph is made: those of the caller of a command, or of nobody who happens to write to a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from pg_llm.database import table_access
from pg_llm.database.connection import Connection
from pg_llm.graph.source import Source

_R = TypeVar("_R")


class Access(Protocol):
    """Runs what reads a source's tables, and what runs models."""

    def read(self, source: Source, work: Callable[[], _R]) -> _R:
        """What `work` reads of the source."""

    def model(self, work: Callable[[], _R]) -> _R:
        """What `work` makes of it by a model."""


class Command:
    """By a function that its caller called; a table's owner cannot use that to run code with the caller's rights."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def read(self, source: Source, work: Callable[[], _R]) -> _R:
        """With the rights that the caller may have there."""
        return table_access.on_table(self._db, source.table.oid, work, beside=source.beside)

    def model(self, work: Callable[[], _R]) -> _R:
        """With the caller's rights."""
        return work()


class Trigger:
    """By anybody's statement: with the rights of the table's owner, and the model with those of the graph's."""

    def __init__(self, db: Connection, table_owner: int, graph_owner: int) -> None:
        self._db = db
        self._table_owner = table_owner
        self._graph_owner = graph_owner
        self._checked = False

    def read(self, source: Source, work: Callable[[], _R]) -> _R:
        """Refused where that would run what the owner of another table can change."""
        if not self._checked:
            table_access.check_reading(self._db, [source.table.oid, *source.beside], self._table_owner)
            self._checked = True
        return self._db.run_as(self._table_owner, work)

    def model(self, work: Callable[[], _R]) -> _R:
        """The graph's owner has chosen it."""
        return self._db.run_as(self._graph_owner, work)
