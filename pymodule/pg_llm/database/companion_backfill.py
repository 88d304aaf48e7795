"""What backfills of companion tables share: pages of keys in order, and rows that others were writing meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, Row

# Rows that are read at once; most of them may need nothing.
PAGE = 5120
# How long to wait for rows that others are writing, in all and at a time, in seconds.
_PATIENCE = 30.0
_PAUSE = 0.05


def row_count(db: Connection, source: Table) -> int:
    """The number of rows. Counting is quick beside a backfill, and a new table has no estimate."""
    return int(db.query_unprepared(f"SELECT count(*) AS rows FROM {source.relation}")[0]["rows"])


def needy_keys(
    source: Table, needs_work: str, companion: str, read: Callable[[str, list[str]], list[Row]]
) -> Iterator[tuple[list[str], int]]:
    """Keys of rows that need work, page by page, each with the number of rows that were looked at so far.

    `needs_work` is a condition on a row `t` and what the join `companion` finds for it; `read` runs a query with
    parameters of the type text.
    """
    # The index of the primary key gives this order, for types of PostgreSQL's own.
    order = ", ".join(
        source.columns[name].plain(source.cell(name))
        if source.columns[name].builtin
        else f'{source.text(name)} COLLATE "C"'
        for name in source.key
    )
    types = [type_ if source.columns[name].builtin else "text" for name, type_ in source.key.items()]
    bounds = ", ".join(f"${number}::text::{type_}" for number, type_ in enumerate(types, 1))
    has_key = " AND ".join(f"{source.cell(name)} IS NOT NULL" for name in source.key)
    after: list[str] = []
    seen = 0
    while True:
        beyond = f"AND ({order}) > ({bounds})" if after else ""
        query = f"""
            SELECT {source.key_object}::text AS key,
                   ARRAY[{", ".join(source.text(name) for name in source.key)}]::text[] AS place,
                   {needs_work} AS needy
            FROM (
                SELECT * FROM {source.relation} AS t WHERE {has_key} {beyond} ORDER BY {order} LIMIT {PAGE}
            ) AS t {companion} ORDER BY {order}
        """
        rows = read(query, after)
        if not rows:
            return
        seen += len(rows)
        after = rows[-1]["place"]
        yield [row["key"] for row in rows if row["needy"]], seen


def update_busy(db: Connection, busy: list[str], size: int, update: Callable[[str], list[str]]) -> None:
    """Try rows that others were writing again, until they are done or patience ends; `update` returns the busy keys."""
    deadline = time.monotonic() + _PATIENCE
    while busy and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        db.poll()
        batches = [f"[{', '.join(busy[start : start + size])}]" for start in range(0, len(busy), size)]
        busy = [key for batch in batches for key in update(batch)]
