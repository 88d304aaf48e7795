"""Another role's rights for a piece of our own work, as autovacuum and logical replication take them.

The server's own security-restricted operation: SET ROLE and SET SESSION AUTHORIZATION fail inside it, nothing is left
open in the session, settings that change are put back. PL/Python has no word for it, so the server's functions are
called; extensions written in C rely on the same ones, in every version.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pg_llm import interrupts
from pg_llm.database import session

_P = ParamSpec("_P")
_R = TypeVar("_R")
# miscadmin.h: SECURITY_LOCAL_USERID_CHANGE, SECURITY_RESTRICTED_OPERATION
_RESTRICTED = 0x1 | 0x2


def run_as(role: int, work: Callable[[], _R]) -> _R:
    """Run `work` to its end with the rights of a role (its oid), and of nobody else.

    A callable and no context manager: a generator that stopped inside would hand the role to the caller's query.
    """
    server = _server()
    before, flags = ctypes.c_uint(), ctypes.c_int()
    server.GetUserIdAndSecContext(ctypes.byref(before), ctypes.byref(flags))
    levels: list[int] = []
    try:
        # Whole or not at all: an interrupt in between would leave the role behind.
        with interrupts.held():
            levels.append(server.NewGUCNestLevel())
            server.SetUserIdAndSecContext(role, flags.value | _RESTRICTED)
        return work()
    finally:
        with interrupts.held():
            for level in levels:
                server.AtEOXact_GUC(False, level)
            server.SetUserIdAndSecContext(before.value, flags.value)


def replicate_as(role: int, work: Callable[[], _R]) -> _R:
    """As `run_as`, and as logical replication writes: of a table's triggers and rules only those fire that are for it.

    Nobody but a table's owner can have made those so.
    """

    def replicating() -> _R:
        session.rows("SELECT pg_catalog.set_config('session_replication_role', 'replica', true)")
        _server().SetUserIdAndSecContext(role, _RESTRICTED)
        return work()

    return run_as(_extension_owner(), replicating)


def run_as_extension_owner(work: Callable[[], _R]) -> _R:
    """Run `work`, statements on tables of the extension and nothing else, with the rights of the extension's owner.

    No statement of it may touch what a user can attach code to.
    """
    return run_as(_extension_owner(), work)


def as_extension_owner(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make of a function one that `run_as_extension_owner` runs."""

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return run_as_extension_owner(lambda: function(*args, **kwargs))

    return call


def current_role() -> int:
    """The role whose rights this is running with."""
    return int(_server().GetUserId())


def moment() -> tuple[int, int, int]:
    """Transaction, statement of the client, role: what was found out under a lock holds while these are the same."""
    server = _server()
    return server.GetCurrentTransactionStartTimestamp(), server.GetCurrentStatementStartTimestamp(), current_role()


@functools.cache
def _extension_owner() -> int:
    query = "SELECT extowner::int8 AS owner FROM pg_catalog.pg_extension WHERE extname = 'pg_llm'"
    return int(session.rows(query)[0]["owner"])


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
