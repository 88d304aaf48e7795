"""Made-up graphs, to time questions to a large one and changes of one row in graphs of several sizes."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from workbench.bench import compared

COMMAND = "./run bench graph"
CALLS = 200
MAPPING = '[{"subject": "s", "subject_type": "thing", "predicate": "p", "object": "o", "object_type": "thing"}]'
# What one would write by hand, without rights: everything within two relations, and the shortest ways of four at most.
NEAR_BY_HAND = """
    WITH RECURSIVE walk (id, hops) AS (
        SELECT %(a)s::bigint, 0
        UNION
        SELECT n.id, w.hops + 1 FROM walk AS w CROSS JOIN LATERAL (
            SELECT r.object AS id FROM llm.all_relation AS r WHERE r.subject = w.id
            UNION ALL SELECT r.subject FROM llm.all_relation AS r WHERE r.object = w.id
        ) AS n WHERE w.hops < 2
    )
    SELECT w.id, min(w.hops), (SELECT e.name FROM llm.all_entity AS e WHERE e.id = w.id) FROM walk AS w GROUP BY w.id
"""
PATHS_BY_HAND = """
    WITH RECURSIVE walk (id, way) AS (
        SELECT %(a)s::bigint, ARRAY[%(a)s::bigint]
        UNION ALL
        SELECT n.id, w.way || n.id FROM walk AS w CROSS JOIN LATERAL (
            SELECT r.object AS id FROM llm.all_relation AS r WHERE r.subject = w.id
            UNION ALL SELECT r.subject FROM llm.all_relation AS r WHERE r.object = w.id
        ) AS n WHERE cardinality(w.way) <= 4 AND n.id <> ALL (w.way) AND w.id <> %(b)s
    )
    SELECT way FROM walk WHERE id = %(b)s ORDER BY cardinality(way) LIMIT 5
"""


def questions(db: psycopg.Connection, entities: int = 100_000, relations: int = 1_000_000) -> Iterator[dict[str, Any]]:
    """graph_neighbors and graph_paths beside the same question as a recursive CTE; random relations."""
    make(db, "large", entities, relations)
    numbers = [row[0] for row in db.execute("SELECT e.id FROM llm.all_entity AS e ORDER BY e.id LIMIT 5000")]
    chance = random.Random(1)

    def ends() -> dict[str, int]:
        return dict(zip("ab", chance.sample(numbers, 2), strict=True))

    size = f"{entities:,} entities, {relations:,} relations: p50"
    for label, ours, by_hand, calls in (
        ("graph_neighbors(), 2 hops", "SELECT * FROM graph_neighbors(%(a)s, 2)", NEAR_BY_HAND, CALLS),
        ("graph_paths(), 4 hops", "SELECT * FROM graph_paths(%(a)s, %(b)s, 4)", PATHS_BY_HAND, CALLS // 10),
    ):
        asked = [ends() for _ in range(calls)]
        # In turns, so that what else the machine does meets both.
        times: list[list[float]] = [[], []]
        for arguments in asked:
            for place, query in enumerate((by_hand, ours)):
                times[place].append(milliseconds(lambda query=query, arguments=arguments: db.execute(query, arguments)))
        yield compared(COMMAND, f"{label}, {size}", "recursive CTE", *map(statistics.median, times), "ms", False)
    db.execute("SELECT graph_drop('large'); DROP TABLE large")


def changes(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """One UPDATE that changes a relation, in graphs of three sizes; only names that have been seen before."""
    first = 0.0
    for relations in (1_000, 10_000, 100_000):
        name = f"graph{relations}"
        make(db, name, relations // 10, relations)
        chance = random.Random(2)
        times = []
        for _ in range(60):
            values = (f"e{chance.randrange(100)}", f"e{chance.randrange(100)}", chance.randint(1, relations))
            query = f"UPDATE {name} SET s = %s, o = %s WHERE id = %s"
            times.append(milliseconds(lambda query=query, values=values: db.execute(query, values)))
        # The first calls load what a session loads once.
        median = statistics.median(times[10:])
        first = first or median
        label = f"one changed row in a graph of {relations:,} relations: p50"
        yield compared(COMMAND, label, "1,000 relations", first, median, "ms", False)
        db.execute(f"SELECT graph_drop('{name}'); DROP TABLE {name}")


def make(db: psycopg.Connection, name: str, entities: int, relations: int) -> None:
    """A table of that name and its live graph, filled by plain SQL: reading it would take what is not measured here."""
    db.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, s text, o text)")
    db.execute("SELECT graph_create(%s)", (name,))
    db.execute("CALL graph_add_columns(%s, %s::regclass, %s)", (name, name, MAPPING))
    db.execute(f"""
        SET session_replication_role = replica; SET maintenance_work_mem = '512MB';
        INSERT INTO {name}
        SELECT n, 'e' || (hashint8(n) & 2147483647) % {entities},
               'e' || (hashint8(n + 7000001) & 2147483647) % {entities}
        FROM generate_series(1, {relations}) AS n;
        CREATE TEMP TABLE of AS
        SELECT s.id AS source, s.graph FROM llm.all_graph_source AS s WHERE s.target = '{name}'::regclass;
        INSERT INTO llm.all_graph_row (graph, source, key, hash)
        SELECT graph, source, jsonb_build_object('id', id), 0 FROM {name}, of;
        INSERT INTO llm.all_entity (graph, type, name, folded)
        SELECT graph, 'thing', 'e' || n, 'e' || n FROM generate_series(0, {entities} - 1) AS n, of;
        ANALYZE llm.all_entity; ANALYZE {name};
        INSERT INTO llm.all_entity_embedding (graph, entity, embedding)
        SELECT graph, e.id, (SELECT llm_embed('e')) FROM llm.all_entity AS e JOIN of USING (graph);
        INSERT INTO llm.all_relation (graph, subject, predicate, object, sole_source, sole_confidence)
        SELECT graph, a.id, 'p', b.id, CASE WHEN count(*) = 1 THEN source END, CASE WHEN count(*) = 1 THEN 1 END
        FROM {name} AS f, of
        JOIN llm.all_entity AS a USING (graph) JOIN llm.all_entity AS b USING (graph)
        WHERE a.name = f.s AND b.name = f.o GROUP BY graph, source, a.id, b.id;
        ANALYZE llm.all_relation; ANALYZE llm.all_graph_row;
        INSERT INTO llm.all_evidence (graph, source, "row", relation, extracted, "column", confidence)
        SELECT of.graph, of.source, w.id, r.id, r.id, 'o', 1
        FROM of JOIN llm.all_graph_row AS w ON w.source = of.source JOIN {name} AS f ON f.id = (w.key ->> 'id')::int
        JOIN llm.all_entity AS a ON a.graph = of.graph AND a.name = f.s
        JOIN llm.all_entity AS b ON b.graph = of.graph AND b.name = f.o
        JOIN llm.all_relation AS r ON r.subject = a.id AND r.object = b.id;
        INSERT INTO llm.all_evidence (graph, source, "row", entity, extracted, "column", confidence)
        SELECT of.graph, of.source, w.id, e.id, e.id, side.name, 1
        FROM of JOIN llm.all_graph_row AS w ON w.source = of.source JOIN {name} AS f ON f.id = (w.key ->> 'id')::int
        CROSS JOIN LATERAL (VALUES ('s', f.s), ('o', f.o)) AS side (name, value)
        JOIN llm.all_entity AS e ON e.graph = of.graph AND e.name = side.value;
        DROP TABLE of;
        RESET session_replication_role;
    """)
    for table in ("graph_row", "entity", "entity_embedding", "relation", "evidence"):
        db.execute(f"VACUUM ANALYZE llm.all_{table}")


def milliseconds(call: Callable[[], psycopg.Cursor]) -> float:
    """What a query takes, its rows included."""
    started = time.perf_counter()
    found = call()
    if found.description:
        found.fetchall()
    return 1000 * (time.perf_counter() - started)
