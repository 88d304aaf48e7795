"""Backfill of a companion table: a pass over all rows of the source in the order of their keys, in constant memory.

Only rows whose text is not that of their chunks call the model, so that an interrupted pass soon reaches where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pg_llm.database import companion_backfill, ownership
from pg_llm.database.connection import Connection, Row
from pg_llm.search.semantic_index import SemanticIndex
from pg_llm.search.upkeep import BATCH, as_owner, delete_orphans, update_rows

Commit = Callable[[], None]
# Called with the rows done and the rows in all.
Progress = Callable[[int, int], None]


def fill(
    db: Connection, index: SemanticIndex, report: Progress = lambda done, total: None, commit: Commit = lambda: None
) -> None:
    """Give every row the chunks of its text, and none to rows that are no more.

    Rows that somebody was writing all the time are left to whoever follows those writes.
    """

    def update(keys: str) -> list[str]:
        busy = as_owner(db, index, lambda: update_rows(db, index, keys, lock=True))
        commit()
        return busy

    total = count(db, index)
    done = 0
    busy: list[str] = []
    report(done, total)
    for keys, seen in stale_keys(db, index):
        for start in range(0, len(keys), BATCH):
            busy += update(f"[{', '.join(keys[start : start + BATCH])}]")
            done += min(BATCH, len(keys) - start)
            report(done, max(total, done))
        done = max(done, seen)
        report(done, max(total, done))
    companion_backfill.update_busy(db, busy, BATCH, update)
    as_owner(db, index, lambda: delete_orphans(db, index))
    commit()


def count(db: Connection, index: SemanticIndex) -> int:
    """The number of rows. Raises InsufficientPrivilege where the owner does not see them all."""
    as_owner(db, index, lambda: ownership.check_sees_all(db, index.source))
    return as_owner(db, index, lambda: companion_backfill.row_count(db, index.source))


def stale_keys(db: Connection, index: SemanticIndex) -> Iterator[tuple[list[str], int]]:
    """Keys of rows whose chunks are not those of their text, page by page, each with the rows looked at so far."""

    def read(query: str, place: list[str]) -> list[Row]:
        return as_owner(db, index, lambda: db.rows(query, ("text",) * len(place), place))

    is_stale = f"CASE WHEN {index.document} <> '' THEN {index.text_hash} END IS DISTINCT FROM c.text_hash"
    chunk = f"""
        LEFT JOIN LATERAL (
            SELECT c.text_hash FROM {index.companion} AS c WHERE {index.same_row} LIMIT 1
        ) AS c ON true
    """
    return companion_backfill.needy_keys(index.source, is_stale, chunk, read)
