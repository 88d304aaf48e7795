"""What stands behind relations: rows that support them, and passages that say so, as the caller may read them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pg_llm.database import catalog
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput
from pg_llm.graph import rights
from pg_llm.graph.source import rows_of

Triple = tuple[int, str, int]
# Passages that are shown of one relation, and characters of each.
_SHOWN = 3
_LONGEST = 300


def behind(db: Connection, triples: Sequence[Triple]) -> dict[Triple, list[dict[str, Any]]]:
    """Of each relation some rows that support it: table, key, column and passage, the surest first."""
    wanted = set(triples)
    found = db.rows(
        "SELECT r.id, r.subject, r.predicate, r.object FROM llm.relation AS r"
        " WHERE r.subject = ANY($1) AND r.object = ANY($2)",
        ("int8[]", "int8[]"),
        (sorted({triple[0] for triple in wanted}), sorted({triple[2] for triple in wanted})),
    )
    known = {row["id"]: (row["subject"], row["predicate"], row["object"]) for row in found}
    numbers = [number for number, triple in known.items() if triple in wanted]
    rows = db.rows(
        """
        SELECT w.id AS relation, e."table"::oid::int8 AS target, e."table"::text AS "table", e.key::text AS key,
               e."column"::text AS "column", e.start_pos, e.end_pos, e.confidence
        FROM unnest($1) AS w (id) CROSS JOIN LATERAL (
            SELECT * FROM llm.evidence AS v WHERE v.relation = w.id
            ORDER BY v.confidence DESC, v.key, v.start_pos LIMIT $2
        ) AS e
        """,
        ("int8[]", "int4"),
        (numbers, _SHOWN),
    )
    passages = _passages(db, rows)
    behind: dict[Triple, list[dict[str, Any]]] = defaultdict(list)
    for number, row in enumerate(rows):
        behind[known[row["relation"]]].append(
            {
                "table": row["table"],
                "key": json.loads(row["key"]),
                "column": row["column"],
                "passage": passages.get(number),
                "confidence": round(row["confidence"], 4),
            }
        )
    return behind


def _passages(db: Connection, rows: Sequence[Row]) -> dict[int, str]:
    """The words of each passage, or the whole value; none where the column is not there any more."""
    places: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        if row["target"] is not None and row["column"] is not None:
            places[row["target"], row["column"]].append(number)
    found: dict[int, str] = {}
    for (target, column), numbers in places.items():
        for row in _read(db, target, column, [rows[number] for number in numbers], numbers):
            if row["passage"] is not None:
                found[row["number"]] = row["passage"]
    return found


def _read(db: Connection, target: int, column: str, rows: Sequence[Row], numbers: Sequence[int]) -> list[Row]:
    """The passages in one column, by these numbers; none of a table that the caller cannot trust."""
    try:
        table = catalog.table(db, str(target))
    except InvalidInput:
        return []
    if column not in table.columns:
        return []
    places = ([row[field] for row in rows] for field in ("key", "start_pos", "end_pos"))
    return rights.looked_up(
        db,
        [target],
        f"SELECT u.number, substr({table.text(column)}, coalesce(u.first, 1),"
        f" least(coalesce(u.last - u.first, {_LONGEST}), {_LONGEST})) AS passage"
        " FROM unnest($1, $2::jsonb[], $3, $4) AS u (number, key, first, last)"
        f" CROSS JOIN LATERAL {table.one_key('u.key')} JOIN {rows_of(db, table)} AS t ON {table.same_key}",
        ("int4[]", "text[]", "int4[]", "int4[]"),
        (list(numbers), *places),
    )
