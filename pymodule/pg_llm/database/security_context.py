"""Another role's rights for a piece of our own work, as autovacuum and logical replication take them.

The server's own security-restricted operation: SET ROLE and SET SESSION AUTHORIZATION fail inside it, nothing is left
open in the session, settings that change are put back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from pg_llm.database.connection import Connection

_P = ParamSpec("_P")
_R = TypeVar("_R")


def replicate_as(db: Connection, role: int, work: Callable[[], _R]) -> _R:
    """Run `work` as a role, and as logical replication writes: only those triggers and rules fire that are for it.

    Nobody but a table's owner can have made those so.
    """
    return db.replicate_as(_extension_owner(db), role, work)


def run_as_extension_owner(db: Connection, work: Callable[[], _R]) -> _R:
    """Run `work`, statements on tables of the extension and nothing else, with the rights of the extension's owner.

    No statement of it may touch what a user can attach code to.
    """
    return db.run_as(_extension_owner(db), work)


def as_extension_owner(
    function: Callable[Concatenate[Connection, _P], _R],
) -> Callable[Concatenate[Connection, _P], _R]:
    """Make of a function one that `run_as_extension_owner` runs."""

    @functools.wraps(function)
    def call(db: Connection, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return run_as_extension_owner(db, lambda: function(db, *args, **kwargs))

    return call


@functools.lru_cache(maxsize=8)
def _extension_owner(db: Connection) -> int:
    query = "SELECT extowner::int8 AS owner FROM pg_catalog.pg_extension WHERE extname = 'pg_llm'"
    return int(db.rows(query)[0]["owner"])
