"""Knowledge graphs: entities of two tables that are one thing, found without a labelled pair.

Nothing was chosen by these tables: the weights of names were set on names made up for it, and looked at on FEBRL.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from matching import Twins, load_twins, papers, restaurants
from workbench.bench import compared

COMMAND = "./run bench graph"
Pairs = set[tuple[str, str]]


def measured(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """Both tables in one graph: a row is an entity called by its name and table, its other columns are relations."""
    db.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for what, twins in (("Fodors-Zagats", restaurants()), ("DBLP-ACM", papers())):
        load_twins(db, twins)
        columns = [name for name in next(iter(twins.left.values())) if name != "id"][1:]
        mapping = json.dumps(
            [
                {"subject": "name", "subject_type": twins.type, "predicate": name, "object": name, "object_type": name}
                for name in columns
            ]
        )
        db.execute("SELECT graph_create(%s)", (what,))
        for table in twins.tables:
            db.execute("CALL graph_add_columns(%s, %s, %s, sync => 'manual')", (what, table, mapping))
        started = time.monotonic()
        db.execute("SELECT count(*) FROM graph_resolve(%s)", (what,))
        seconds = time.monotonic() - started
        found = _found(db, what, twins.tables)
        # The trigram's threshold is chosen on one half of the pairs that are known, both are measured on the other.
        halves = _halves(twins)
        trigram = _trigram(db, twins.tables, halves)
        label = f"{what}: pairs across two tables, graph_resolve: "
        for place, measure in enumerate(("precision", "recall", "F1")):
            ours, theirs = (_measured(pairs, *halves[1])[place] for pairs in (found, trigram))
            yield compared(COMMAND, label + measure, "trigrams of the name", theirs, ours, "share", True, 3)
        rows_ = len(twins.left) + len(twins.right)
        yield compared(COMMAND, f"{what}: graph_resolve, {rows_} rows", "at most", 600, seconds, "s", False, 1)


def _found(db: psycopg.Connection, graph: str, tables: tuple[str, str]) -> Pairs:
    """Rows of the two tables that speak of the same entity."""
    query = """
        WITH said AS MATERIALIZED (
            SELECT v."table"::text AS "table", v.key ->> 'id' AS id, v.entity FROM llm.evidence AS v
            WHERE v.graph = (SELECT g.id FROM llm.graph AS g WHERE g.name = %s) AND v."column" = 'name'
            AND v.entity IS NOT NULL
        )
        SELECT DISTINCT a.id, b.id FROM said AS a JOIN said AS b ON a.entity = b.entity
        WHERE a."table" = %s AND b."table" = %s
    """
    return {(row[0], row[1]) for row in db.execute(query, (graph, *tables))}


def _halves(twins: Twins) -> list[tuple[Pairs, Pairs | None, set[str]]]:
    """Twice: pairs that are one, pairs that are two (None: all others), and the left rows that this is about."""
    left = sorted({pair[0] for pair in twins.same | (twins.other or set())} if twins.other else twins.left)
    random.Random(1).shuffle(left)
    parts = [set(left[0::2]), set(left[1::2])]
    return [
        (
            {pair for pair in twins.same if pair[0] in part},
            None if twins.other is None else {pair for pair in twins.other if pair[0] in part},
            part,
        )
        for part in parts
    ]


def _measured(found: Pairs, same: Pairs, other: Pairs | None, part: set[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 among the pairs of which the truth is known."""
    known = {pair for pair in found if pair[0] in part and (other is None or pair in same or pair in other)}
    right = len(known & same)
    precision, recall = right / max(len(known), 1), right / len(same)
    return precision, recall, 2 * right / max(len(known) + len(same), 1)


def _trigram(
    db: psycopg.Connection, tables: tuple[str, str], halves: list[tuple[Pairs, Pairs | None, set[str]]]
) -> Pairs:
    """Pairs whose names without the table's are at least as alike as is best on the first half."""
    for name in tables:
        plain = f"SELECT id, regexp_replace(name, ' [(][^()]*[)]$', '') AS name FROM {name}"
        db.execute(f"CREATE TEMP TABLE plain_{name} AS {plain}")
        db.execute(f"CREATE INDEX ON plain_{name} USING gin (name gin_trgm_ops)")
    # The operator takes pairs that are at least 0.3 alike.
    query = (
        f"SELECT a.id, b.id, similarity(a.name, b.name) FROM plain_{tables[0]} AS a"
        f" JOIN plain_{tables[1]} AS b ON b.name % a.name"
    )
    scored = [((row[0], row[1]), row[2]) for row in db.execute(query)]

    def above(least: float) -> Pairs:
        return {pair for pair, score in scored if score >= least}

    return above(max((step / 50 for step in range(15, 51)), key=lambda least: _measured(above(least), *halves[0])[2]))
