"""Doing the work that waits: batch by batch, each claimed, done and deleted from the queue in transactions of its own.

A batch that fails is halved until the rows are found that fail by themselves; the others are done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pg_llm.database import relation_names
from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.timeout import with_lock_limit
from pg_llm.database.transaction import Commit, pinned
from pg_llm.errors import Error, from_exception
from pg_llm.work import queue, workers
from pg_llm.work.queue import Request

# What keeps rows of an object true: is given the object's number and a JSON array of primary keys, as
# `catalog.Table.key_object` writes them, or `null` for all rows. It may be called for the same keys again, and for rows
# that are gone, of which nothing is left then. It commits nothing, and raises what went wrong.
Handler = Callable[[Connection, int, str], None]

_FIRST_BATCH, _MAX_BATCH = 32, 256
# Seconds that a batch shall take: so much is lost when it is interrupted.
_SHORT, _LONG = 1.0, 5.0
# Classes of SQLSTATE that are nobody's fault among the rows: short of resources, host or server not to be had; and for
# how many seconds the rows wait then.
_SURROUNDINGS, _ABSENCE = ("53", "57", "58000", "55P03"), 30.0
# The model host died over the rows: one of them may kill it, which shows once each is tried alone.
_HOST_LOST = "58H01"
# Rows that others are writing, and for how long they wait.
_BUSY, _MOMENT = ("40001", "40P01"), 0.5
# Whoever keeps a table locked holds up the work on other tables for so many seconds at most.
_PATIENCE = 5.0
# Of an endpoint nobody knows whether it dislikes the text or is not there; so many rows are asked for by themselves.
_ENDPOINT_FAILED, _MAX_ENDPOINT_FAILURES = "58030", 3


@dataclass(slots=True)
class Count:
    """Rows that were done, and attempts that failed."""

    done: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All rows that were tried."""
        return self.done + self.failed


def run(db: Connection, handlers: Mapping[str, Handler], max_rows: int | None) -> Count:
    """Do the work that is due and that the caller has the rights for, at most so many rows."""
    role = db.current_role()
    count = Count()
    sizes: dict[tuple[str, int], int] = {}
    with pinned(db) as commit:
        queue.tidy(db)
        commit()
        # One batch of each object in turn, so that a long fill of one holds up no other.
        while objects := queue.due_objects(db, role, list(handlers)):
            claimed = 0
            for kind, object_id in objects:
                size = sizes.get((kind, object_id), _FIRST_BATCH)
                left = size if max_rows is None else min(size, max_rows - count.total)
                if left <= 0:
                    return count
                requests = queue.claim(db, kind, object_id, left)
                claimed += len(requests)
                batch = _Batch(db, handlers[kind], object_id, commit)
                started = time.monotonic()
                batch.run(requests)
                seconds = time.monotonic() - started
                sizes[kind, object_id] = _next_size(size, seconds)
                workers.record(db, batch.count.done, batch.count.failed, seconds)
                count.done += batch.count.done
                count.failed += batch.count.failed
            if not claimed:
                # Others are doing what is due.
                break
    return count


def _next_size(size: int, seconds: float) -> int:
    if seconds > _LONG:
        return max(1, size // 2)
    return min(_MAX_BATCH, size * 2) if seconds < _SHORT else size


class _Batch:
    """The rows of one object that are done in one call where none of them fails."""

    def __init__(self, db: Connection, handler: Handler, object_id: int, commit: Commit) -> None:
        self._db = db
        self._handler = handler
        self._object_id = object_id
        self._commit = commit
        self._endpoint_failures = 0
        self.count = Count()

    def run(self, requests: Sequence[Request]) -> None:
        """Do the requests, which are claimed; those that fail are put back into the queue."""
        if not requests:
            return
        self._commit()
        try:
            # An error leaves nothing of the attempt behind.
            with self._db.savepoint(), relation_names.fresh(self._db):
                work = partial(self._handler, self._db, self._object_id, _keys(requests))
                with_lock_limit(self._db, _PATIENCE, work)
                queue.finish(self._db, requests)
        except (Error, DatabaseError) as error:
            # A session that is terminated ends without an error: what says so is the code of a table's owner.
            if error.sqlstate == CANCELLED:
                raise
            self._failed(requests, error.sqlstate, str(error))
        except Exception as error:  # noqa: BLE001 - a defect must not hold up all other rows
            told = from_exception(error)
            self._failed(requests, told.sqlstate, told.message)
        else:
            self.count.done += len(requests)
            self._commit()

    def _failed(self, requests: Sequence[Request], sqlstate: str, message: str) -> None:
        is_lost = sqlstate == _HOST_LOST
        # All rows are not to blame where one of them is.
        is_absent = sqlstate.startswith(_SURROUNDINGS) or (is_lost and requests[0].key is None)
        if is_absent or self._endpoint_failures >= _MAX_ENDPOINT_FAILURES:
            queue.delay(self._db, requests, _ABSENCE, message)
            self.count.failed += len(requests)
        elif is_lost and len(requests) > 1:
            queue.single_out(self._db, requests, message)
            self.count.failed += len(requests)
        elif len(requests) == 1 and sqlstate in _BUSY:
            queue.delay(self._db, requests, _MOMENT, None)
        elif len(requests) == 1:
            self._endpoint_failures += sqlstate == _ENDPOINT_FAILED
            queue.fail(self._db, requests[0], message)
            self.count.failed += 1
        else:
            middle = len(requests) // 2
            self.run(requests[:middle])
            self.run(requests[middle:])
        self._commit()


def _keys(requests: Sequence[Request]) -> str:
    """A JSON array of the rows' keys, exact as the queue has them; `null` for all rows."""
    keys = [request.key for request in requests if request.key is not None]
    return f"[{','.join(keys)}]" if keys else "null"
