"""Matching of values with a reference table, in a process beside the model host that keeps the table's index."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.database import analyses, catalog, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.errors import ConcurrentChange, InvalidInput

_TASK = "reference_matching"
_BATCH = 500
# A longer text is no value of a list, and of longer inputs only the beginning is compared.
_LONGEST = 10_000
# Reading anew, as the table changed or the process ended meanwhile.
_ATTEMPTS = 3

Match = tuple[str, str, float]


def match(
    db: Connection, inputs: Sequence[str | None], reference: str, column: str, k: int, threshold: float
) -> list[list[Match]]:
    """For each input the key (JSON), value and probability of those of the column that are meant; none for NULL."""
    table = catalog.table(db, reference)
    if column not in table.columns:
        raise InvalidInput(f'{table.relation} has no column "{column}"', hint=f"It has: {', '.join(table.columns)}.")
    texts = list(dict.fromkeys(text[:_LONGEST] for text in inputs if text is not None))
    found: dict[str, list[Match]] = {}
    digest = _digest(db, table, column) if texts else ""
    for start in range(0, len(texts), _BATCH):
        part = texts[start : start + _BATCH]
        found.update(zip(part, _ask(db, table, column, digest, part, k, threshold), strict=True))
    return [[] if text is None else found[text[:_LONGEST]] for text in inputs]


def _ask(
    db: Connection, table: Table, column: str, digest: str, texts: Sequence[str], k: int, threshold: float
) -> list[list[Match]]:
    options = {"do": "match", "digest": digest, "k": k, "threshold": threshold}
    for _ in range(_ATTEMPTS):
        answer: Any = json.loads(analyses.ask(db, _TASK, options, *texts))
        if answer is not None:
            return [[(key, value, score) for key, value, score in each] for each in answer]
        _send(db, table, column, digest)
    raise ConcurrentChange("the process that matches values ended again and again")


def _digest(db: Connection, table: Table, column: str) -> str:
    """A digest of the rows of the column that the caller sees, whatever their order."""
    row = f"pg_catalog.hashtextextended({table.key_object}::text || coalesce({table.text(column)}, ''), 0)"
    query = f"SELECT count(*)::text AS n, coalesce(sum({row}::numeric), 0)::text AS sum FROM {table.relation} AS t"
    rows = table_access.on_table(db, table.oid, lambda: db.query_unprepared(query))
    return json.dumps([table.oid, column, rows[0]["n"], rows[0]["sum"]])


def _send(db: Connection, table: Table, column: str, digest: str) -> None:
    """Give the process the distinct values, each with the first key."""
    text = table.text(column)
    query = (
        f"SELECT min({table.key_object}::text) AS k, {text} AS v FROM {table.relation} AS t"
        f" WHERE length({text}) BETWEEN 1 AND {_LONGEST} GROUP BY 2 ORDER BY 2"
    )

    def work() -> None:
        analyses.ask(db, _TASK, {"do": "begin"})
        for rows in db.batches(query):
            analyses.ask(db, _TASK, {"do": "rows"}, *(json.dumps([row[name] for row in rows]) for name in "kv"))
        analyses.ask(db, _TASK, {"do": "end", "digest": digest})

    table_access.on_table(db, table.oid, work)
