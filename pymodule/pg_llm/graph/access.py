"""With whose rights the rows of a graph's source are read and models are run: those of a caller, or of the owners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from pg_llm.database import table_access
from pg_llm.database.connection import Connection
from pg_llm.graph.source import Source

_R = TypeVar("_R")


class Access(Protocol):
    """Runs the code that reads a source's tables, and the code that calls models."""

    def read(self, source: Source, work: Callable[[], _R]) -> _R:
        """The result of `work`, which reads the source's tables."""

    def run_model(self, work: Callable[[], _R]) -> _R:
        """The result of `work`, which calls a model."""


class CommandAccess:
    """The access of a function that its caller called: a table's owner cannot use it to run code as the caller."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def read(self, source: Source, work: Callable[[], _R]) -> _R:
        """Read with the rights that the caller may have on these tables."""
        return table_access.on_table(self._db, source.table.oid, work, beside=source.foreign_oids)

    def run_model(self, work: Callable[[], _R]) -> _R:
        """Run with the caller's rights."""
        return work()


class TriggerAccess:
    """The access of a trigger, which any role's statement may fire: rows are read as the table's owner.

    Models run as the owner of the graph, who has chosen them.
    """

    def __init__(self, db: Connection, table_owner: int, graph_owner: int) -> None:
        self._db = db
        self._table_owner = table_owner
        self._graph_owner = graph_owner
        self._checked = False

    def read(self, source: Source, work: Callable[[], _R]) -> _R:
        """Read as the table's owner, unless that would run code that the owner of another table can change."""
        if not self._checked:
            table_access.check_reading(self._db, [source.table.oid, *source.foreign_oids], self._table_owner)
            self._checked = True
        return self._db.run_as(self._table_owner, work)

    def run_model(self, work: Callable[[], _R]) -> _R:
        """Run as the owner of the graph."""
        return self._db.run_as(self._graph_owner, work)
