"""Backfill of an AI column: a pass over all rows of the source in the order of their keys, in constant memory.

Only rows that need it are computed, so that an interrupted pass soon reaches where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pg_llm.columns.definition import AIColumn, as_owner
from pg_llm.columns.upkeep import BATCH, delete_orphans, update_rows
from pg_llm.database import companion_backfill, ownership
from pg_llm.database.connection import Connection, Row

Commit = Callable[[], None]
# Called with the rows done and the rows in all.
Progress = Callable[[int, int], None]
# Seconds that a batch should take: what was computed is committed with it.
_SHORT, _LONG = 1.0, 5.0


def fill(
    db: Connection, column: AIColumn, report: Progress = lambda done, total: None, commit: Commit = lambda: None
) -> None:
    """Give every row the value of its inputs, and none to rows that are no more.

    Rows that somebody was writing all the time are left to whoever follows those writes.
    """

    def read(query: str, place: list[str]) -> list[Row]:
        return as_owner(db, column, lambda: db.query_unprepared(query, ("text",) * len(place), place))

    def update(keys: str) -> list[str]:
        busy = as_owner(db, column, lambda: update_rows(db, column, keys, lock=True))
        commit()
        return busy

    as_owner(db, column, lambda: ownership.check_sees_all(db, column.source))
    total = as_owner(db, column, lambda: companion_backfill.row_count(db, column.source))
    done, size = 0, 16
    busy: list[str] = []
    report(done, total)
    value = f"LEFT JOIN {column.companion} AS c ON {column.same_row}"
    for keys, seen in companion_backfill.needy_keys(column.source, column.needs_work, value, read):
        start = 0
        while start < len(keys):
            began = time.monotonic()
            busy += update(f"[{', '.join(keys[start : start + size])}]")
            start += size
            done += min(size, len(keys) - start + size)
            report(done, max(total, done))
            took = time.monotonic() - began
            size = min(BATCH, 2 * size) if took < _SHORT else max(1, size // 2) if took > _LONG else size
        done = max(done, seen)
        report(done, max(total, done))
    companion_backfill.update_busy(db, busy, BATCH, update)
    as_owner(db, column, lambda: delete_orphans(db, column))
    commit()
