"""Backfill of an AI column: a pass over all rows of the source in the order of their keys, in constant memory.

Only rows that need it are computed, so that an interrupted pass soon reaches where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from pg_llm.columns.definition import AIColumn, as_owner
from pg_llm.columns.upkeep import BATCH, delete_orphans, update_rows
from pg_llm.database import ownership
from pg_llm.database.connection import Connection

Commit = Callable[[], None]
# Called with the rows done and the rows in all.
Progress = Callable[[int, int], None]
# Keys that are read at once; most of them may need nothing.
_PAGE = 20 * BATCH
# Seconds that a batch should take: what was computed is committed with it.
_SHORT, _LONG = 1.0, 5.0
# How long to wait for rows that others are writing, in all and at a time, in seconds.
_PATIENCE = 30.0
_PAUSE = 0.05


def fill(
    db: Connection, column: AIColumn, report: Progress = lambda done, total: None, commit: Commit = lambda: None
) -> None:
    """Give every row the value of its inputs, and none to rows that are no more.

    Rows that somebody was writing all the time are left to whoever follows those writes.
    """
    as_owner(db, column, lambda: ownership.check_sees_all(db, column.source))
    total = as_owner(db, column, lambda: _row_estimate(db, column))
    done, size = 0, 16
    busy: list[str] = []
    report(done, total)
    for keys, seen in _needy_keys(db, column):
        start = 0
        while start < len(keys):
            batch = f"[{', '.join(keys[start : start + size])}]"
            began = time.monotonic()
            busy += as_owner(db, column, partial(update_rows, db, column, batch, lock=True))
            commit()
            start += size
            done += min(size, len(keys) - start + size)
            report(done, max(total, done))
            took = time.monotonic() - began
            size = min(BATCH, 2 * size) if took < _SHORT else max(1, size // 2) if took > _LONG else size
        done = max(done, seen)
        report(done, max(total, done))
    deadline = time.monotonic() + _PATIENCE
    while busy and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        db.poll()
        still_busy: list[str] = []
        for start in range(0, len(busy), BATCH):
            some = f"[{', '.join(busy[start : start + BATCH])}]"
            still_busy += as_owner(db, column, partial(update_rows, db, column, some, lock=True))
            commit()
        busy = still_busy
    as_owner(db, column, lambda: delete_orphans(db, column))
    commit()


def _row_estimate(db: Connection, column: AIColumn) -> int:
    query = """
        SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::int8 AS rows FROM llm.relation_tree($1::oid) AS t (relation)
        JOIN pg_class AS c ON c.oid = t.relation
    """
    return int(db.rows(query, ("int8",), (column.source.oid,))[0]["rows"])


def _needy_keys(db: Connection, column: AIColumn) -> Iterator[tuple[list[str], int]]:
    """Keys of rows that have to be computed, page by page, each with the number of rows looked at so far."""
    source = column.source
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
        beyond = f"WHERE ({', '.join(order)}) > ({bounds})" if after else ""
        query = f"""
            SELECT {source.key_object}::text AS key,
                   ARRAY[{", ".join(source.text(name) for name in source.key)}]::text[] AS place,
                   {column.needs_work} AS needy
            FROM (
                SELECT * FROM {source.relation} AS t {beyond} ORDER BY {", ".join(order)} LIMIT {_PAGE}
            ) AS t LEFT JOIN {column.companion} AS c ON {column.same_row} ORDER BY {", ".join(order)}
        """
        rows = as_owner(db, column, partial(db.query_unprepared, query, ("text",) * len(after), after))
        if not rows:
            return
        seen += len(rows)
        after = rows[-1]["place"]
        yield [row["key"] for row in rows if row["needy"]], seen
