"""Blocking for entity resolution by embeddings: the nearest neighbours of each name, exact or by an HNSW index."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from pg_llm.database import catalog
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_literal
from pg_llm.graph.resolution.matching import Pair

_NEIGHBORS = 6
_MIN_COSINE = 0.55
# Names of a type up to which an exact search is faster than building an index.
_MAX_EXACT = 2000
# Dimensions that pgvector can index.
_MAX_INDEXED_DIMENSIONS = 2000
_BATCH = 500
_TABLE = "pg_temp.graph_resolve_vector"

Cosines = Callable[[Sequence[Pair]], Mapping[Pair, float]]


@contextlib.contextmanager
def nearest_neighbors(db: Connection, graph: int) -> Iterator[tuple[dict[Pair, float], Cosines]]:
    """The cosines of each name and its nearest neighbours of its type, and a function for those of other pairs."""
    schema = catalog.schema_of(db, "vector")
    # A model may have been replaced: vectors of two lengths cannot be compared, so only the commoner ones are.
    dimensions = db.query_unprepared(
        f"SELECT {schema}.vector_dims(embedding) AS n FROM llm.own_entity_embedding WHERE graph = $1"
        " GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
        ("int4",),
        (graph,),
    )
    length = dimensions[0]["n"] if dimensions else 1
    db.query_unprepared(
        "CREATE TEMP TABLE graph_resolve_vector AS"
        f" SELECT e.id, e.type, m.embedding::{schema}.vector({length}) AS embedding"
        " FROM llm.own_entity AS e JOIN llm.own_entity_embedding AS m ON m.entity = e.id"
        f" WHERE e.graph = {graph} AND m.graph = {graph} AND {schema}.vector_dims(m.embedding) = {length}"
    )
    db.query_unprepared(f"ALTER TABLE {_TABLE} ADD PRIMARY KEY (id)")
    db.query_unprepared(f"CREATE INDEX ON {_TABLE} (type)")
    db.query_unprepared(f"ANALYZE {_TABLE}")
    neighbors: dict[Pair, float] = {}
    types = db.query_unprepared(f"SELECT type, count(*) AS n FROM {_TABLE} GROUP BY type HAVING count(*) > 1")
    for row in types:
        indexed = row["n"] > _MAX_EXACT and length <= _MAX_INDEXED_DIMENSIONS
        neighbors.update(_neighbors_of_type(db, row["type"], indexed, schema))
    yield neighbors, lambda pairs: _cosines(db, pairs, schema)
    # No `finally` needed: after an error, the rollback drops the table.
    db.query_unprepared(f"DROP TABLE {_TABLE}")


def _neighbors_of_type(db: Connection, type_: str, indexed: bool, schema: str) -> dict[Pair, float]:
    index = f"CREATE INDEX graph_resolve_vector_hnsw ON {_TABLE} USING hnsw (embedding {schema}.vector_cosine_ops)"
    condition = f"type = {quote_literal(type_)}"
    if indexed:
        db.query_unprepared(f"{index} WHERE {condition}")
    numbers = [row["id"] for row in db.query_unprepared(f"SELECT id FROM {_TABLE} WHERE {condition} ORDER BY id")]
    query = f"""
        SELECT a.id AS one, n.id AS other, 1 - n.distance AS cosine
        FROM {_TABLE} AS a CROSS JOIN LATERAL (
            SELECT b.id, b.embedding OPERATOR({schema}.<=>) a.embedding AS distance FROM {_TABLE} AS b
            WHERE b.{condition} ORDER BY b.embedding OPERATOR({schema}.<=>) a.embedding LIMIT {_NEIGHBORS + 1}
        ) AS n
        WHERE a.id = ANY($1) AND n.id <> a.id AND n.distance <= {1 - _MIN_COSINE}
    """
    neighbors = {}
    for start in range(0, len(numbers), _BATCH):
        db.poll()
        for row in db.query_unprepared(query, ("int8[]",), (numbers[start : start + _BATCH],)):
            neighbors[min(row["one"], row["other"]), max(row["one"], row["other"])] = row["cosine"]
    if indexed:
        db.query_unprepared("DROP INDEX pg_temp.graph_resolve_vector_hnsw")
    return neighbors


def _cosines(db: Connection, pairs: Sequence[Pair], schema: str) -> dict[Pair, float]:
    """The cosines of those pairs of which both names have a vector."""
    query = f"""
        SELECT u.one, u.other, 1 - (a.embedding OPERATOR({schema}.<=>) b.embedding) AS cosine
        FROM unnest($1, $2) AS u (one, other) JOIN {_TABLE} AS a ON a.id = u.one JOIN {_TABLE} AS b ON b.id = u.other
    """
    cosines = {}
    for start in range(0, len(pairs), 10 * _BATCH):
        db.poll()
        batch = pairs[start : start + 10 * _BATCH]
        for row in db.query_unprepared(
            query, ("int8[]", "int8[]"), ([one for one, _ in batch], [two for _, two in batch])
        ):
            cosines[row["one"], row["other"]] = row["cosine"]
    return cosines
