"""Backfill of a companion table: a pass over all rows of the source in the order of their keys, in constant memory.

Only rows whose text is not that of their chunks call the model, so that an interrupted pass soon reaches where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from pg_llm.database import ownership
from pg_llm.database.connection import Connection
from pg_llm.search.semantic_index import SemanticIndex
from pg_llm.search.upkeep import BATCH, as_owner, delete_orphans, update_rows

Commit = Callable[[], None]
# Called with the rows done and the rows in all.
Progress = Callable[[int, int], None]
# Keys that are read at once; most of them may need nothing.
_PAGE = 20 * BATCH
# How long to wait for rows that others are writing, in all and at a time, in seconds.
_PATIENCE = 30.0
_PAUSE = 0.05


def fill(
    db: Connection, index: SemanticIndex, report: Progress = lambda done, total: None, commit: Commit = lambda: None
) -> None:
    """Give every row the chunks of its text, and none to rows that are no more.

    Rows that somebody was writing all the time are left to whoever follows those writes.
    """
    as_owner(db, index, lambda: ownership.check_sees_all(db, index.source))
    total = as_owner(db, index, lambda: _row_count(db, index))
    done = 0
    busy: list[str] = []
    report(done, total)
    for keys, last in _stale_keys(db, index):
        for start in range(0, len(keys), BATCH):
            batch = f"[{', '.join(keys[start : start + BATCH])}]"
            busy += as_owner(db, index, partial(update_rows, db, index, batch, lock=True))
            commit()
            done += min(BATCH, len(keys) - start)
            report(done, max(total, done))
        done = max(done, last)
        report(done, max(total, done))
    deadline = time.monotonic() + _PATIENCE
    while busy and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        db.poll()
        still_busy: list[str] = []
        for start in range(0, len(busy), BATCH):
            some = f"[{', '.join(busy[start : start + BATCH])}]"
            still_busy += as_owner(db, index, partial(update_rows, db, index, some, lock=True))
            commit()
        busy = still_busy
    as_owner(db, index, lambda: delete_orphans(db, index))
    commit()


def _row_count(db: Connection, index: SemanticIndex) -> int:
    # Counting is quick beside what follows, and a new table has no estimate.
    return int(db.query_unprepared(f"SELECT count(*) AS rows FROM {index.source.relation}")[0]["rows"])


def _stale_keys(db: Connection, index: SemanticIndex) -> Iterator[tuple[list[str], int]]:
    """Keys of rows that need work, page by page, each with the number of rows that were looked at so far."""
    source = index.source
    # The index of the primary key gives this order, for types of PostgreSQL's own.
    order = [
        source.columns[name].plain(source.cell(name))
        if source.columns[name].builtin
        else f'{source.text(name)} COLLATE "C"'
        for name in source.key
    ]
    types = [type_ if source.columns[name].builtin else "text" for name, type_ in source.key.items()]
    bounds = ", ".join(f"${number}::text::{type_}" for number, type_ in enumerate(types, 1))
    after: list[str] = []
    seen = 0
    while True:
        beyond = f"AND ({', '.join(order)}) > ({bounds})" if after else ""
        query = f"""
            SELECT {source.key_object}::text AS key,
                   ARRAY[{", ".join(source.text(name) for name in source.key)}]::text[] AS place,
                   CASE WHEN {index.document} <> '' THEN {index.text_hash} END IS DISTINCT FROM c.text_hash AS stale
            FROM (
                SELECT * FROM {source.relation} AS t
                WHERE {" AND ".join(f"{source.cell(name)} IS NOT NULL" for name in source.key)} {beyond}
                ORDER BY {", ".join(order)} LIMIT {_PAGE}
            ) AS t LEFT JOIN LATERAL (
                SELECT c.text_hash FROM {index.companion} AS c WHERE {index.same_row} LIMIT 1
            ) AS c ON true ORDER BY {", ".join(order)}
        """
        read = partial(db.rows, query, ("text",) * len(after), after)
        rows = as_owner(db, index, read)
        if not rows:
            return
        seen += len(rows)
        after = rows[-1]["place"]
        yield [row["key"] for row in rows if row["stale"]], seen
