"""The connection of an ordinary client, by psycopg: for workers and for tests.

It has the rights of the role that it logs in as and no others: the server's security-restricted operation cannot be
asked for from outside, so work in another role's name is refused, unless the connection is told that nobody hostile
owns what it will touch.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from pg_llm.database.connection import BATCH, Connection, DatabaseError, Row, Statement
from pg_llm.database.quoting import pin_type, quote_ident
from pg_llm.errors import Error, InsufficientPrivilege
from pg_llm.interrupts import Interrupted

_R = TypeVar("_R")
# PL/Python gives these as text.
_AS_TEXT = ("json", "jsonb", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid", "inet", "cidr")
# Statements that are kept, the first made leaving first.
_KEPT = 200
_numbers = itertools.count()


class _PreparedStatement(Statement):
    """PREPARE and EXECUTE: parameters have the types that are given, as in SPI."""

    def __init__(self, connection: PsycopgConnection, query: str, types: Sequence[str]) -> None:
        self._connection = connection
        self.name = sql.Identifier(f"pg_llm_{next(_numbers)}")
        of_types = f"({', '.join(map(pin_type, types))})" if types else ""
        connection.run(sql.SQL("PREPARE {}" + of_types + " AS {}").format(self.name, sql.SQL(query)))

    def rows(self, values: Sequence[Any] = ()) -> list[Row]:
        given = sql.SQL(", ").join([sql.Literal(value) for value in values])
        arguments = sql.SQL("({})").format(given) if values else sql.SQL("")
        return self._connection.run(sql.SQL("EXECUTE {}{}").format(self.name, arguments))

    def forget(self) -> None:
        """Free it on the server."""
        self._connection.run(sql.SQL("DEALLOCATE {}").format(self.name))


class PsycopgConnection(Connection):
    """A psycopg connection that is not in autocommit mode, or is inside a transaction block."""

    def __init__(self, connection: psycopg.Connection[Any], trusted: bool = False) -> None:
        self._connection = connection
        self._trusted = trusted
        self._kept: dict[tuple[str, tuple[str, ...]], _PreparedStatement] = {}
        for name in _AS_TEXT:
            connection.adapters.register_loader(name, TextLoader)

    def run(self, query: sql.SQL | sql.Composed) -> list[Row]:
        """The rows, if any, of a composed statement."""
        cursor = psycopg.ClientCursor(self._connection, row_factory=dict_row)
        try:
            cursor.execute(query)
            result = cursor.pgresult
            if result is None or result.status != psycopg.pq.ExecStatus.TUPLES_OK:
                return []
            # psycopg fetches no rows that have no columns; SELECT FROM asks only whether there are some.
            return cursor.fetchall() if result.nfields else [{} for _ in range(result.ntuples)]
        except psycopg.Error as error:
            raise _as_database_error(error) from error
        finally:
            cursor.close()

    def prepare(self, query: str, types: Sequence[str] = ()) -> Statement:
        return _PreparedStatement(self, query, types)

    def rows(self, query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[Row]:
        key = (query, tuple(types))
        if key not in self._kept:
            if len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept))).forget()
            self._kept[key] = _PreparedStatement(self, query, types)
        return self._kept[key].rows(values)

    def query_unprepared(self, query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[Row]:
        statement = _PreparedStatement(self, query, types)
        rows = statement.rows(values)
        statement.forget()
        return rows

    def execute(self, statement: str) -> list[Row]:
        return self.run(sql.SQL(statement))

    def batches(
        self, query: str, types: Sequence[str] = (), values: Sequence[Any] = (), size: int = BATCH
    ) -> Iterator[list[Row]]:
        # DECLARE takes no prepared statement; literals of the parameters' types stand in for them.
        text = sql.SQL(_with_placeholders(query, len(types)))
        given = [
            sql.SQL("({}::{})").format(sql.Literal(value), sql.SQL(pin_type(kind)))
            for value, kind in zip(values, types, strict=True)
        ]
        name = sql.Identifier(f"pg_llm_{next(_numbers)}")
        self.run(sql.SQL("DECLARE {} NO SCROLL CURSOR FOR ").format(name) + text.format(*given))
        try:
            while rows := self.run(sql.SQL("FETCH {} FROM {}").format(sql.Literal(size), name)):
                yield rows
            self.run(sql.SQL("CLOSE {}").format(name))
        except GeneratorExit:
            self.run(sql.SQL("CLOSE {}").format(name))
            raise

    def describe(self, query: str) -> list[tuple[str, int]]:
        try:
            with self._connection.cursor() as cursor:
                # Through the extended protocol, which takes one statement only.
                cursor.execute(f"SELECT * FROM ({query}\n) AS q LIMIT 0".encode(), prepare=False, binary=True)
                return [(column.name, column.type_code) for column in cursor.description or ()]
        except psycopg.Error as error:
            raise _as_database_error(error) from error

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        with self._connection.transaction():
            yield

    def commit(self) -> None:
        try:
            self._connection.commit()
        except psycopg.ProgrammingError as error:
            # Inside somebody else's transaction block.
            raise DatabaseError(str(error), "2D000") from error

    def poll(self) -> None:
        try:
            self.execute("SELECT 1")
        except DatabaseError as error:
            raise Interrupted(error) from error

    @contextlib.contextmanager
    def cancel_after(self, seconds: float) -> Iterator[None]:
        before = self.execute("SELECT current_setting('statement_timeout') AS value")[0]["value"]
        self.execute(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
        yield
        # No `finally` needed: after an error, the rollback restores the setting.
        self.execute(f"SET LOCAL statement_timeout = '{before}'")

    def notice(self, message: str, hint: str | None = None) -> None:
        self._raise_message("NOTICE", message, hint)

    def warning(self, message: str, hint: str | None = None) -> None:
        self._raise_message("WARNING", message, hint)

    def log(self, message: str) -> None:
        self._raise_message("LOG", message, None)

    def _raise_message(self, level: str, message: str, hint: str | None) -> None:
        using = f" USING HINT = {sql.Literal(hint).as_string(None)}" if hint else ""
        text = sql.Literal(message).as_string(None)
        body = f"BEGIN RAISE {level} '%', {text}{using}; END"
        self.execute(f"DO {sql.Literal(body).as_string(None)}")

    def current_role(self) -> int:
        return int(self.execute("SELECT CURRENT_USER::pg_catalog.regrole::pg_catalog.oid::int8 AS r")[0]["r"])

    def run_as(self, role: int, work: Callable[[], _R]) -> _R:
        before = self.current_role()
        if role == before:
            return work()
        if not self._trusted:
            raise InsufficientPrivilege(
                "a client cannot take another role's rights safely",
                hint="Call the SQL function instead, or connect as the role that owns the table.",
            )
        with self._connection.transaction():
            self._set_role(role)
            result = work()
            self._set_role(before)
        return result

    def _set_role(self, role: int) -> None:
        name = self.execute(f"SELECT pg_catalog.pg_get_userbyid({role})::text AS name")[0]["name"]
        self.execute(f"SET LOCAL ROLE {quote_ident(name)}")

    def replicate_as(self, owner: int, role: int, work: Callable[[], _R]) -> _R:
        def replicating() -> _R:
            self.execute("SET LOCAL session_replication_role = 'replica'")
            result = self.run_as(role, work)
            self.execute("RESET session_replication_role")
            return result

        return self.run_as(owner, replicating)

    def moment(self) -> tuple[int, int, int]:
        # Of the client's statements nothing is known here, so nothing that was found holds for the next one.
        return (next(_numbers), 0, self.current_role())


def _with_placeholders(query: str, count: int) -> str:
    """The query as a psycopg template: braces doubled, $1 as {0} and so on."""
    text = query.replace("{", "{{").replace("}", "}}")
    for number in range(count, 0, -1):
        text = text.replace(f"${number}", f"{{{number - 1}}}")
    return text


def _as_database_error(error: psycopg.Error) -> DatabaseError:
    told = error.diag
    position = told.statement_position
    return DatabaseError(
        told.message_primary or str(error),
        error.sqlstate or Error.sqlstate,
        told.message_detail,
        told.message_hint,
        int(position) if position else None,
        told.schema_name,
    )
