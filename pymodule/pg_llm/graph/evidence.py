"""Provenance of relations: the rows and passages that support them, as far as the caller may read these."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pg_llm.database import catalog
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput
from pg_llm.graph import row_visibility, search, traversal
from pg_llm.graph import source as graph_source

Triple = tuple[int, str, int]
# Passages of one relation that are shown, and characters of each.
_MAX_PASSAGES = 3
_MAX_CHARACTERS = 300


def verbalize(db: Connection, triples: Sequence[Triple]) -> dict[Triple, str]:
    """Each relation as the words subject, predicate, object."""
    rows = search.entities_by_id(db, sorted(traversal.endpoints(triples)))
    names = {row["id"]: row["name"] for row in rows}
    return {triple: f"{names[triple[0]]} {triple[1]} {names[triple[2]]}" for triple in triples}


def supporting(db: Connection, triples: Sequence[Triple]) -> dict[Triple, list[dict[str, Any]]]:
    """For each relation some rows that support it: table, key, column and passage, the surest first."""
    wanted = set(triples)
    relations = db.rows(
        "SELECT r.id, r.subject, r.predicate, r.object FROM llm.relation AS r"
        " WHERE r.subject = ANY($1) AND r.object = ANY($2)",
        ("int8[]", "int8[]"),
        (sorted({triple[0] for triple in wanted}), sorted({triple[2] for triple in wanted})),
    )
    triple_of = {row["id"]: (row["subject"], row["predicate"], row["object"]) for row in relations}
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
        ([number for number, triple in triple_of.items() if triple in wanted], _MAX_PASSAGES),
    )
    passages = _passages(db, rows)
    support: dict[Triple, list[dict[str, Any]]] = defaultdict(list)
    for number, row in enumerate(rows):
        support[triple_of[row["relation"]]].append(
            {
                "table": row["table"],
                "key": json.loads(row["key"]),
                "column": row["column"],
                "passage": passages.get(number),
                "confidence": round(row["confidence"], 4),
            }
        )
    return support


def _passages(db: Connection, rows: Sequence[Row]) -> dict[int, str]:
    """By the position of the row, its passage or its whole value; none where the column no longer exists."""
    places: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        if row["target"] is not None and row["column"] is not None:
            places[row["target"], row["column"]].append(number)
    passages: dict[int, str] = {}
    for (target, column), numbers in places.items():
        for row in _read_column(db, target, column, [rows[number] for number in numbers], numbers):
            if row["passage"] is not None:
                passages[row["number"]] = row["passage"]
    return passages


def _read_column(db: Connection, target: int, column: str, rows: Sequence[Row], numbers: Sequence[int]) -> list[Row]:
    """The passages in one column, with these numbers; none of a table that the caller cannot trust."""
    try:
        table = catalog.table(db, str(target))
    except InvalidInput:
        return []
    if column not in table.columns:
        return []
    places = ([row[field] for row in rows] for field in ("key", "start_pos", "end_pos"))
    return row_visibility.query_untrusted(
        db,
        [target],
        f"SELECT u.number, substr({table.text(column)}, coalesce(u.first, 1),"
        f" least(coalesce(u.last - u.first, {_MAX_CHARACTERS}), {_MAX_CHARACTERS})) AS passage"
        " FROM unnest($1, $2::jsonb[], $3, $4) AS u (number, key, first, last)"
        f" CROSS JOIN LATERAL {table.one_key('u.key')} JOIN {graph_source.from_item(db, table)} AS t"
        f" ON {table.same_key}",
        ("int4[]", "text[]", "int4[]", "int4[]"),
        (list(numbers), *places),
    )
