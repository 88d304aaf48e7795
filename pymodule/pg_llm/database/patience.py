"""Work on tables that the caller did not name, whose owners could make it fail, or keep it waiting without end."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.timeout import LOCK_NOT_AVAILABLE, TimedOut, with_lock_limit, with_time_limit
from pg_llm.errors import Error

_R = TypeVar("_R")
# Seconds for a lock, for the work on one table, and that the tables of one owner may keep the caller waiting in all.
_LOCK, _TABLE, _OWNER = 2.0, 10.0, 10.0
# Whoever has the caller's rights anyway needs no table to keep the caller waiting.
_TRUSTED = "SELECT pg_has_role($1::oid, CURRENT_USER::text, 'USAGE') AS trusted"

_COMPUTED = """
    SELECT c.relkind NOT IN ('r', 'p', 'm') OR c.relrowsecurity AS computed FROM pg_class AS c WHERE c.oid = $1::oid
"""


class Unavailable(Exception):
    """Why a table could not be worked on."""


def is_computed(db: Connection, oid: int) -> bool:
    """Whether reading a relation takes as long as its owner likes: others take as long as their size asks for."""
    return bool(db.rows(_COMPUTED, ("int8",), (oid,))[0]["computed"])


class Patience:
    """What one call of a function waits for the tables of each owner."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._waited: dict[int, float] = defaultdict(float)

    def run(self, owner: int, work: Callable[[], _R], timed: bool = True) -> _R:
        """Run `work` on a table of this owner, in a subtransaction with limits. Raises Unavailable.

        Only for locks if not `timed`, or if the caller trusts the owner. Code that catches a cancel goes on: none of
        the owner's may run in `work`.
        """
        db = self._db
        trusted = db.rows(_TRUSTED, ("int8",), (owner,))[0]["trusted"]
        if self._waited[owner] >= _OWNER and not trusted:
            raise Unavailable("other tables of its owner took too long")
        begun = time.monotonic()
        limited = partial(with_lock_limit, db, _LOCK, work)
        try:
            if timed and not trusted:
                return with_time_limit(db, _TABLE, limited)
            with db.savepoint():
                return limited()
        except TimedOut as error:
            self._waited[owner] += time.monotonic() - begun
            raise Unavailable(f"it took longer than {_TABLE:.0f} seconds") from error
        except (Error, DatabaseError) as error:
            if error.sqlstate == CANCELLED:
                raise
            if error.sqlstate == LOCK_NOT_AVAILABLE:
                self._waited[owner] += time.monotonic() - begun
                raise Unavailable("somebody holds a lock on it") from error
            raise Unavailable(str(error)) from error
