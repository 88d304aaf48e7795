"""The connection of a backend: PL/Python's SPI, and the server's own functions for what PL/Python has no word for."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import plpy

from pg_llm import interrupts
from pg_llm.database.connection import BATCH, Connection, DatabaseError, Row, Statement
from pg_llm.database.quoting import pin_type
from pg_llm.errors import Error, NotSupported
from pg_llm.interrupts import Interrupted

_P = ParamSpec("_P")
_R = TypeVar("_R")
# Statements that are kept, the least recently used leaving first.
_KEPT = 500
# miscadmin.h: SECURITY_LOCAL_USERID_CHANGE, SECURITY_RESTRICTED_OPERATION
_RESTRICTED = 0x1 | 0x2
_CLOCK_MONOTONIC = 1
# Seconds after a cancel in which a query may end by itself.
_PATIENCE = 10.0
_SIGEV_SIGNAL = 0


def _translated(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Raise what the server reports as DatabaseError."""

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except plpy.SPIError as error:
            raise as_database_error(error) from error

    return call


def as_database_error(error: plpy.SPIError) -> DatabaseError:
    """What the server reports, as PL/Python tells it."""
    # spidata: SQLSTATE, detail, hint, query, position and schema, as the server gave them.
    told = getattr(error, "spidata", None) or (None,) * 6
    return DatabaseError(str(error), error.sqlstate or Error.sqlstate, told[1], told[2], told[4] or None, told[5])


class _PreparedStatement(Statement):
    def __init__(self, plan: Any) -> None:
        self.plan = plan

    @_translated
    def rows(self, values: Sequence[Any] = ()) -> list[Row]:
        return list(plpy.execute(self.plan, list(values)))


class PlpyConnection(Connection):
    """The session that PL/Python runs in."""

    @_translated
    def prepare(self, query: str, types: Sequence[str] = ()) -> Statement:
        return _PreparedStatement(_prepared(query, types))

    @_translated
    def rows(self, query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[Row]:
        return list(plpy.execute(_plan(query, tuple(types)), list(values)))

    @_translated
    def execute(self, statement: str) -> list[Row]:
        return list(plpy.execute(_checked(statement)))

    def batches(
        self, query: str, types: Sequence[str] = (), values: Sequence[Any] = (), size: int = BATCH
    ) -> Iterator[list[Row]]:
        cursor = _opened(query, types, values)
        try:
            while rows := _fetched(cursor, size):
                yield rows
        except GeneratorExit:
            cursor.close()
            raise

    @_translated
    def describe(self, query: str) -> list[tuple[str, int]]:
        text = f"SELECT * FROM ({_checked(query)}\n) AS q LIMIT 0"
        try:
            # A cursor takes one statement only; and by itself, so that no bracket in it ends the one around it.
            plpy.cursor(query).close()
            plpy.cursor(text).close()
        except plpy.SPIError as error:
            if str(error).startswith("cannot open "):
                raise DatabaseError(str(error), "42601") from error
            raise
        head = plpy.execute(text)
        return list(zip(head.colnames(), head.coltypes(), strict=True))

    def savepoint(self) -> contextlib.AbstractContextManager[object]:
        return plpy.subtransaction()

    @_translated
    def commit(self) -> None:
        plpy.commit()

    def poll(self) -> None:
        # Python code that computes is interrupted by itself; this is for waiting.
        try:
            plpy.execute(_plan("SELECT 1", ()))
        except plpy.SPIError as error:
            raise Interrupted(as_database_error(error)) from error

    @contextlib.contextmanager
    def cancel_after(self, seconds: float) -> Iterator[None]:
        # The kernel sends this backend the signal that pg_cancel_backend() sends: `statement_timeout` counts from the
        # client's statement and cannot be set inside it. No thread, no process. Code of others can catch a cancel and
        # go on; what pg_terminate_backend() sends it cannot.
        with _signalled(signal.SIGINT, seconds), _signalled(signal.SIGTERM, seconds + _PATIENCE):
            yield

    def notice(self, message: str, hint: str | None = None) -> None:
        plpy.notice(message, **({"hint": hint} if hint else {}))

    def warning(self, message: str, hint: str | None = None) -> None:
        plpy.warning(message, **({"hint": hint} if hint else {}))

    def log(self, message: str) -> None:
        plpy.log(message)

    def current_role(self) -> int:
        return int(_server().GetUserId())

    def run_as(self, role: int, work: Callable[[], _R]) -> _R:
        # A callable and no context manager: a generator that stopped inside would hand the role to the caller's query.
        server = _server()
        before, flags = ctypes.c_uint(), ctypes.c_int()
        server.GetUserIdAndSecContext(ctypes.byref(before), ctypes.byref(flags))
        levels: list[int] = []
        try:
            # Whole or not at all: an interrupt in between would leave the role behind.
            with interrupts.deferred():
                levels.append(server.NewGUCNestLevel())
                server.SetUserIdAndSecContext(role, flags.value | _RESTRICTED)
            return work()
        finally:
            with interrupts.deferred():
                for level in levels:
                    server.AtEOXact_GUC(False, level)
                server.SetUserIdAndSecContext(before.value, flags.value)

    def replicate_as(self, owner: int, role: int, work: Callable[[], _R]) -> _R:
        def replicating() -> _R:
            self.rows("SELECT pg_catalog.set_config('session_replication_role', 'replica', true)")
            _server().SetUserIdAndSecContext(role, _RESTRICTED)
            return work()

        return self.run_as(owner, replicating)

    def moment(self) -> tuple[int, int, int]:
        server = _server()
        return (
            server.GetCurrentTransactionStartTimestamp(),
            server.GetCurrentStatementStartTimestamp(),
            self.current_role(),
        )


@contextlib.contextmanager
def _signalled(number: signal.Signals, seconds: float) -> Iterator[None]:
    """Have the kernel send this process a signal if the block takes longer."""
    library = ctypes.CDLL(None, use_errno=True)
    timer = ctypes.c_void_p()
    event = _SigEvent(None, number, _SIGEV_SIGNAL, b"")
    if library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        raise Error(f"timer_create failed: errno {ctypes.get_errno()}")
    try:
        whole = int(seconds)
        when = _TimerSpec(0, 0, whole, max(1, int((seconds - whole) * 1e9)))
        if library.timer_settime(timer, 0, ctypes.byref(when), None):
            raise Error(f"timer_settime failed: errno {ctypes.get_errno()}")
        yield
    finally:
        with interrupts.deferred():
            library.timer_delete(timer)


def _prepared(query: str, types: Sequence[str]) -> Any:
    # Parameters have PostgreSQL's own types, whatever a caller's search path calls so: the statement may be kept.
    return plpy.prepare(_checked(query), [pin_type(name) for name in types])


def _checked(query: str) -> str:
    """The query, whose text PL/Python gives to the server as UTF-8 whatever the database's encoding is."""
    if not query.isascii() and _encoding() != "UTF8":
        raise NotSupported(
            f"names and texts in SQL must be ASCII in a database whose encoding is {_encoding()}",
            hint="Use a database in UTF8: there everything is read as it is written.",
        )
    return query


@functools.cache
def _encoding() -> str:
    query = "SELECT pg_catalog.current_setting('server_encoding') AS name"
    (row,) = plpy.execute(query)
    return str(row["name"])


@functools.lru_cache(maxsize=_KEPT)
def _plan(query: str, types: tuple[str, ...]) -> Any:
    return _prepared(query, types)


@_translated
def _opened(query: str, types: Sequence[str], values: Sequence[Any]) -> Any:
    return plpy.cursor(_prepared(query, types), list(values))


@_translated
def _fetched(cursor: Any, size: int) -> list[Row]:
    return list(cursor.fetch(size))


class _SigEvent(ctypes.Structure):
    # The kernel's struct sigevent has 64 bytes on every 64-bit machine.
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _TimerSpec(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns"))


@functools.cache
def quotes_all() -> ctypes.c_bool:
    """The setting quote_all_identifiers, where the server keeps it."""
    return ctypes.c_bool.in_dll(_server(), "quote_all_identifiers")


@functools.cache
def _server() -> ctypes.CDLL:
    server = ctypes.CDLL(None)
    pointers = (ctypes.POINTER(ctypes.c_uint), ctypes.POINTER(ctypes.c_int))
    for name, arguments, result in (
        ("GetUserIdAndSecContext", pointers, None),
        ("SetUserIdAndSecContext", (ctypes.c_uint, ctypes.c_int), None),
        ("NewGUCNestLevel", (), ctypes.c_int),
        ("AtEOXact_GUC", (ctypes.c_bool, ctypes.c_int), None),
        ("GetUserId", (), ctypes.c_uint),
        ("GetCurrentTransactionStartTimestamp", (), ctypes.c_int64),
        ("GetCurrentStatementStartTimestamp", (), ctypes.c_int64),
    ):
        function = getattr(server, name)
        function.argtypes, function.restype = arguments, result
    return server


BACKEND = PlpyConnection()
