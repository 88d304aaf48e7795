"""Semantic search: vectors, full text, or both fused by reciprocal rank, over a table with a semantic index.

Full text is ranked by BM25 (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75), as PostgreSQL's ts_rank knows no term
rarity. Fusion is reciprocal rank fusion with the constant 60 (Cormack, Clarke and Büttcher 2009).
"""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, models, table_access
from pg_llm.database.catalog import METRICS
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput
from pg_llm.search import metadata_filter, semantic_column
from pg_llm.search.semantic_column import SemanticColumn

_MODES = ("hybrid", "vector", "text")
_MOST = 10_000
# Candidates that each ranking gives to the fusion, at least.
_POOL = 100
# Terms of a very long query that are looked up: its most frequent ones.
_TERMS = 64
_QUERY_CHARACTERS = 200_000
# hnsw.ef_search is at most this.
_BREADTH = 1000


def semantic_search(
    db: Connection,
    query: str | None,
    target: str | None,
    k: int | None,
    mode: str | None,
    filter: str | None,
    name: str | None,
) -> list[tuple[str, float, str]]:
    """The k rows of a table that best match a query, best first: primary key, score and row."""
    k = arguments.required("k", k)
    if not 0 <= k <= _MOST:
        raise InvalidInput(f"k is {k}, and must be from 0 to {_MOST}")
    if mode not in _MODES:
        raise InvalidInput(f'invalid mode: "{mode}"', hint=f"Use one of: {', '.join(_MODES)}.")
    table = catalog.table(db, arguments.required("target", target))
    existing = semantic_column.existing(db, table)
    search = _Search(db, semantic_column.choose(table, existing, name), existing, k, filter)
    if query is None or not query.strip() or k == 0:
        return []
    return search.rows(query, mode)


class _Search:
    """One search: its statement is put together from the rankings that the mode asks for."""

    def __init__(
        self, db: Connection, column: SemanticColumn, existing: list[SemanticColumn], k: int, filter: str | None
    ) -> None:
        self._db = db
        self._column = column
        self._relation = column.table.relation
        self._k = k
        self._types: list[str] = []
        self._values: list[Any] = []
        self._filter = metadata_filter.condition(filter, column.table.columns, self._parameter)
        hidden = {name for other in existing for name in (other.name, other.text_name)}
        self._shown = column.table.object(name for name in column.table.columns if name not in hidden)
        self._vector_schema = catalog.schema_of(db, "vector")

    def rows(self, query: str, mode: str) -> list[tuple[str, float, str]]:
        """Run it; exactly if the index could not find k rows that pass the filter and the caller's policies."""
        vector = self._vector(query) if mode != "text" else None
        terms = self._terms(query) if mode != "vector" else None
        found = table_access.on_table(self._db, self._column.table.oid, lambda: self._found(mode, vector, terms))
        return [(row["key"], row["score"], row["row"]) for row in found]

    def _found(self, mode: str, vector: str | None, terms: tuple[str, str] | None) -> list[Row]:
        found = self._run(mode, vector, terms, exact=False)
        if vector and (not found or found[0]["vector_hits"] < self._k):
            return self._run(mode, vector, terms, exact=True)
        return found

    def _run(self, mode: str, vector: str | None, terms: tuple[str, str] | None, exact: bool) -> list[Row]:
        pool = self._k if mode != "hybrid" else max(_POOL, 2 * self._k)
        parts = []
        if vector:
            breadth = str(min(_BREADTH, max(_POOL, pool)))
            self._db.rows("SELECT set_config('hnsw.ef_search', $1, true)", ("text",), (breadth,))
            parts.append(self._vector_hits(vector, pool, exact))
        if terms:
            parts.append(self._text_hits(*terms, pool))
        score = METRICS[self._column.metric][2]
        hits = {
            "vector": f"SELECT leaf, tid, {score} AS score FROM vector_hit",
            "text": "SELECT leaf, tid, score FROM text_hit",
            "hybrid": """
                SELECT leaf, tid, sum(1.0 / (60 + rank)) AS score
                FROM (SELECT leaf, tid, rank FROM vector_hit UNION ALL SELECT leaf, tid, rank FROM text_hit) AS hit
                GROUP BY leaf, tid""",
        }[mode]
        return self._db.query_unprepared(
            f"""
            WITH {", ".join(parts)}, best AS ({hits} ORDER BY score DESC, leaf, tid LIMIT {self._k})
            SELECT {self._column.table.key_object}::text AS key, best.score::real AS score,
                   ({self._shown})::text AS row,
                   {"(SELECT count(*) FROM vector_hit)" if vector else 0} AS vector_hits
            FROM best JOIN {self._relation} AS t ON t.ctid = best.tid AND t.tableoid = best.leaf
            ORDER BY best.score DESC, best.leaf, best.tid
            """,
            self._types,
            self._values,
        )

    def _vector(self, query: str) -> str:
        found = models.find(self._db, self._column.model, "embedding").run("embedding", [query], role="query")[0]
        return f"{self._parameter(found, 'text')}::{self._vector_schema}.vector"

    def _vector_hits(self, vector: str, pool: int, exact: bool) -> str:
        distance = f"{self._column.vector} OPERATOR({self._vector_schema}.{METRICS[self._column.metric][1]}) {vector}"
        # An expression that no index is on.
        order = f"({distance}) + 0" if exact else distance
        return f"""
            vector_hit AS MATERIALIZED (
                SELECT leaf, tid, distance, row_number() OVER (ORDER BY distance, leaf, tid) AS rank
                FROM (
                    SELECT t.tableoid AS leaf, t.ctid AS tid, {distance} AS distance
                    FROM {self._relation} AS t
                    WHERE {self._column.vector} IS NOT NULL AND {self._filter}
                    ORDER BY {order} LIMIT {pool}
                ) AS nearest
            )"""

    def _terms(self, query: str) -> tuple[str, str]:
        """The query's terms as parameters: a tsquery that matches any of them, and the list."""
        found = self._db.query_unprepared(
            f"""
            SELECT lexeme
            FROM unnest(to_tsvector({self._column.text_parser}, "left"($1, {_QUERY_CHARACTERS})))
                 AS w (lexeme, positions, weights)
            ORDER BY cardinality(positions) DESC, lexeme COLLATE "C" LIMIT {_TERMS}
            """,
            ("text",),
            (query,),
        )
        lexemes = [row["lexeme"] for row in found]
        if not lexemes:
            # An empty tsquery finds nothing too, but says so in a notice.
            return "NULL::tsquery", "NULL"
        quoted = ("'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'" for lexeme in lexemes)
        return f"{self._parameter(' | '.join(quoted), 'text')}::tsquery", self._parameter(lexemes, "text[]")

    def _text_hits(self, any_term: str, terms: str, pool: int) -> str:
        """BM25; a term's rarity is that among the rows the caller sees, a document's length is in distinct terms."""
        tsvector, table = self._column.tsvector, self._column.table
        return f"""
            posting AS MATERIALIZED (
                SELECT t.tableoid AS leaf, t.ctid AS tid, length({tsvector}) AS size,
                       w.lexeme, cardinality(w.positions) AS tf
                FROM {self._relation} AS t, unnest({tsvector}) AS w (lexeme, positions, weights)
                WHERE {tsvector} @@ {any_term} AND w.lexeme = ANY({terms}) AND {self._filter}
            ), corpus AS (
                SELECT greatest(max(c.reltuples), count(*)) AS rows, avg(p.size) AS size
                FROM (SELECT DISTINCT leaf, tid, size FROM posting) AS p,
                     (SELECT sum(reltuples) AS reltuples FROM pg_class AS c WHERE {table.tree} AND relkind = 'r') AS c
            ), term AS (
                SELECT p.lexeme, ln(1 + (max(c.rows) - count(*) + 0.5) / (count(*) + 0.5)) AS idf
                FROM posting AS p, corpus AS c GROUP BY p.lexeme
            ), text_hit AS (
                SELECT leaf, tid, score, row_number() OVER (ORDER BY score DESC, leaf, tid) AS rank
                FROM (
                    SELECT p.leaf, p.tid,
                           sum(term.idf * p.tf * 2.2 / (p.tf + 1.2 * (0.25 + 0.75 * p.size / c.size))) AS score
                    FROM posting AS p JOIN term ON term.lexeme = p.lexeme, corpus AS c
                    GROUP BY p.leaf, p.tid ORDER BY score DESC, p.leaf, p.tid LIMIT {pool}
                ) AS ranked
            )"""

    def _parameter(self, value: Any, type: str) -> str:
        self._types.append(type)
        self._values.append(value)
        return f"${len(self._values)}"
