"""A connection without a server: a test says which rows each query has, and reads afterwards what was asked.

    db = FakeConnection()
    db.answer("FROM llm.model AS m", [{"name": "m", "task": "embedding"}])
    db.answer("INSERT INTO", lambda call: [{"id": call.values[0]}])
    db.fail("DELETE FROM", DatabaseError("permission denied", "42501"))

A query that no rule answers fails the test, so nothing is asked unseen. Of several rules that match, the last one made
answers. Settings, the search path and the wish to poll are answered as a server with default settings would.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pg_llm.database.connection import BATCH, Connection, Row, Statement

_R = TypeVar("_R")
SUPERUSER = 10


@dataclass(frozen=True)
class Call:
    """One statement: its text with single spaces, the types and values of its parameters, and the role it ran as."""

    query: str
    types: tuple[str, ...]
    values: tuple[Any, ...]
    role: int


Rows = Sequence[Row] | Callable[[Call], Sequence[Row]]


class _FakeStatement(Statement):
    def __init__(self, connection: FakeConnection, query: str, types: Sequence[str]) -> None:
        self._connection, self._query, self._types = connection, query, types

    def rows(self, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection._run(self._query, self._types, values)


@dataclass(eq=False)
class FakeConnection(Connection):
    """See the module's docstring; `may_commit` is False inside somebody else's transaction block."""

    role: int = SUPERUSER
    may_commit: bool = True
    settings: dict[str, str | None] = field(default_factory=lambda: {"search_path": "public"})
    calls: list[Call] = field(default_factory=list)
    messages: list[tuple[str, str, str | None]] = field(default_factory=list)
    commits: int = 0
    rollbacks: int = 0
    polls: int = 0

    def __post_init__(self) -> None:
        self._rules: list[tuple[str, Rows | Exception]] = []
        self._columns: list[tuple[str, list[tuple[str, int]]]] = []

    def answer(self, part: str, rows: Rows = ()) -> None:
        """Queries that hold this text (spaces count as one) have these rows, or what a function of the call gives."""
        self._rules.append((_spaced(part), rows))

    def fail(self, part: str, error: Exception) -> None:
        """Queries that hold this text raise the error."""
        self._rules.append((_spaced(part), error))

    def describe_as(self, part: str, columns: Sequence[tuple[str, int]]) -> None:
        """Queries that hold this text have these columns: names and type oids."""
        self._columns.append((_spaced(part), list(columns)))

    def asked(self, part: str) -> list[Call]:
        """The calls whose query holds this text."""
        return [call for call in self.calls if _spaced(part) in call.query]

    def _run(self, query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[Row]:
        assert len(types) == len(values), f"{len(types)} types for {len(values)} values: {query}"
        # A parameter may be left out of a text that is made, but none may be used that is not given.
        used = {int(number) for number in re.findall(r"\$(\d+)", query)}
        assert not used or max(used) <= len(values), f"${max(used)} has no value: {query}"
        call = Call(_spaced(query), tuple(types), tuple(values), self.role)
        self.calls.append(call)
        for part, rows in reversed(self._rules):
            if part in call.query:
                if isinstance(rows, Exception):
                    raise rows
                return [dict(row) for row in (rows(call) if callable(rows) else rows)]
        return self._setting(call)

    def _setting(self, call: Call) -> list[Row]:
        if found := re.search(r"set_config\('([\w.]+)', (?:\$1|'([^']*)'), true\)", call.query):
            before = self.settings.get(found[1])
            self.settings[found[1]] = found[2] if found[2] is not None else call.values[0]
            return [{"before": before}]
        if found := re.fullmatch(
            r"SELECT (?:pg_catalog\.)?current_setting\('([\w.]+)'(?:, true)?\) AS (\w+)", call.query
        ):
            return [{found[2]: self.settings.get(found[1])}]
        if found := re.fullmatch(r"SELECT (?:pg_catalog\.)?current_setting\(\$1, true\) AS (\w+)", call.query):
            return [{found[1]: self.settings.get(call.values[0])}]
        if "pg_catalog.to_regclass(n.name)" in call.query:
            # Nobody renames anything.
            return []
        if "pg_catalog.cardinality($1::pg_catalog.oid[]) AS own" in call.query:
            # The usual question of table_access gets its answer the long way.
            return [{"own": False}]
        raise AssertionError(f"no rule answers the query: {call.query}")

    def prepare(self, query: str, types: Sequence[str] = ()) -> Statement:
        return _FakeStatement(self, query, types)

    def rows(self, query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[Row]:
        return self._run(query, types, values)

    def execute(self, statement: str) -> list[Row]:
        return self._run(statement)

    def batches(
        self, query: str, types: Sequence[str] = (), values: Sequence[Any] = (), size: int = BATCH
    ) -> Iterator[list[Row]]:
        rows = self._run(query, types, values)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def describe(self, query: str) -> list[tuple[str, int]]:
        for part, columns in reversed(self._columns):
            if part in _spaced(query):
                return columns
        raise AssertionError(f"no columns are known of the query: {_spaced(query)}")

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.rollbacks += 1
            raise

    def commit(self) -> None:
        from pg_llm.database.connection import DatabaseError

        if not self.may_commit:
            raise DatabaseError("invalid transaction termination", "2D000")
        self.commits += 1

    def poll(self) -> None:
        self.polls += 1

    @contextlib.contextmanager
    def cancel_after(self, seconds: float) -> Iterator[None]:
        yield

    def notice(self, message: str, hint: str | None = None) -> None:
        self.messages.append(("notice", message, hint))

    def warning(self, message: str, hint: str | None = None) -> None:
        self.messages.append(("warning", message, hint))

    def log(self, message: str) -> None:
        self.messages.append(("log", message, None))

    def current_role(self) -> int:
        return self.role

    def run_as(self, role: int, work: Callable[[], _R]) -> _R:
        before, self.role = self.role, role
        try:
            return work()
        finally:
            self.role = before

    def replicate_as(self, owner: int, role: int, work: Callable[[], _R]) -> _R:
        return self.run_as(role, work)

    def moment(self) -> tuple[int, int, int]:
        return (1, 1, self.role)


def _spaced(text: str) -> str:
    return " ".join(text.split())
