"""Hybrid search: vector search and full text, fused by reciprocal rank, over a table with a semantic index.

Full text is ranked by BM25 (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75), as PostgreSQL's ts_rank knows no inverse
document frequency. Fusion is reciprocal rank fusion with the constant 60 (Cormack, Clarke and Büttcher 2009).
"""

from __future__ import annotations

from typing import Any

from pg_llm.database import catalog, models, table_access
from pg_llm.database.catalog import METRICS
from pg_llm.database.connection import Connection, Row
from pg_llm.search import metadata_filter, semantic_column
from pg_llm.search.semantic_column import SemanticColumn

MODES = ("hybrid", "vector", "text")
MAX_RESULTS = 10_000
# Candidates that each ranking gives to the fusion, at least.
_MIN_POOL = 100
# BM25: how soon more of a term counts for nothing more, and how much a text's length counts.
_BM25_K1, _BM25_B = 1.2, 0.75
# What reciprocal rank fusion adds to each rank (Cormack and others 2009).
_RRF_CONSTANT = 60
# Only the most frequent terms of a very long query are looked up.
_MAX_TERMS = 64
_QUERY_CHARACTERS = 200_000
# The largest value that hnsw.ef_search may have.
_MAX_EF_SEARCH = 1000

Result = tuple[str, float, str]


def search(
    db: Connection, query: str | None, target: str, limit: int, mode: str, filter: str | None, name: str | None
) -> list[Result]:
    """The best matches as primary key, score and row; none for an empty query, once the other arguments are valid."""
    table = catalog.table(db, target)
    columns = semantic_column.of_table(db, table)
    statement = _SearchStatement(db, semantic_column.choose(table, columns, name), columns, limit, filter)
    if query is None or not query.strip() or limit == 0:
        return []
    return statement.results(query, mode)


class _SearchStatement:
    """One statement with a common table expression for each ranking that the mode asks for."""

    def __init__(
        self, db: Connection, column: SemanticColumn, all_columns: list[SemanticColumn], limit: int, filter: str | None
    ) -> None:
        self._db = db
        self._column = column
        self._relation = column.table.relation
        self._limit = limit
        self._types: list[str] = []
        self._values: list[Any] = []
        self._given_filter = filter
        self._filter = metadata_filter.condition(filter, column.table.columns, self._parameter)
        hidden = {name for other in all_columns for name in (other.name, other.text_name)}
        self._row_object = column.table.object(name for name in column.table.columns if name not in hidden)
        self._vector_schema = catalog.schema_of(db, "vector")

    def results(self, query: str, mode: str) -> list[Result]:
        """Run the search, exactly if the index finds too few rows that pass the filter and the caller's policies."""
        vector = self._query_vector(query) if mode != "text" else None
        terms = self._query_terms(query) if mode != "vector" else None
        rows = table_access.on_table(
            self._db, self._column.table.oid, lambda: self._approximate_or_exact(mode, vector, terms)
        )
        return [(row["key"], row["score"], row["row"]) for row in rows]

    def _approximate_or_exact(self, mode: str, vector: str | None, terms: tuple[str, str] | None) -> list[Row]:
        metadata_filter.check(self._db, self._given_filter, self._column.table.columns)
        rows = self._run(mode, vector, terms, exact=False)
        if vector and (not rows or rows[0]["vector_hits"] < self._limit):
            return self._run(mode, vector, terms, exact=True)
        return rows

    def _run(self, mode: str, vector: str | None, terms: tuple[str, str] | None, exact: bool) -> list[Row]:
        pool = self._limit if mode != "hybrid" else max(_MIN_POOL, 2 * self._limit)
        rankings = []
        if vector:
            ef_search = str(min(_MAX_EF_SEARCH, max(_MIN_POOL, pool)))
            self._db.rows("SELECT set_config('hnsw.ef_search', $1, true)", ("text",), (ef_search,))
            rankings.append(self._vector_ranking(vector, pool, exact))
        if terms:
            rankings.append(self._bm25_ranking(*terms, pool))
        score = METRICS[self._column.metric][2]
        hits = {
            "vector": f"SELECT leaf, tid, {score} AS score FROM vector_hit",
            "text": "SELECT leaf, tid, score FROM text_hit",
            "hybrid": f"""
                SELECT leaf, tid, sum(1.0 / ({_RRF_CONSTANT} + rank)) AS score
                FROM (SELECT leaf, tid, rank FROM vector_hit UNION ALL SELECT leaf, tid, rank FROM text_hit) AS hit
                GROUP BY leaf, tid""",
        }[mode]
        return self._db.query_unprepared(
            f"""
            WITH {", ".join(rankings)}, best AS ({hits} ORDER BY score DESC, leaf, tid LIMIT {self._limit})
            SELECT {self._column.table.key_object}::text AS key, best.score::real AS score,
                   ({self._row_object})::text AS row,
                   {"(SELECT count(*) FROM vector_hit)" if vector else 0} AS vector_hits
            FROM best JOIN {self._relation} AS t ON t.ctid = best.tid AND t.tableoid = best.leaf
            ORDER BY best.score DESC, best.leaf, best.tid
            """,
            self._types,
            self._values,
        )

    def _query_vector(self, query: str) -> str:
        model = models.find(self._db, self._column.model, "embedding")
        vector = model.run("embedding", [query], role="query")[0]
        return f"{self._parameter(vector, 'text')}::{self._vector_schema}.vector"

    def _vector_ranking(self, vector: str, pool: int, exact: bool) -> str:
        distance = f"{self._column.vector} OPERATOR({self._vector_schema}.{METRICS[self._column.metric][1]}) {vector}"
        # `+ 0` keeps the planner off the vector index: exact search.
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

    def _query_terms(self, query: str) -> tuple[str, str]:
        """The query's terms as parameters: a tsquery that matches any of them, and their array."""
        rows = self._db.query_unprepared(
            f"""
            SELECT lexeme
            FROM unnest(to_tsvector({self._column.regconfig}, "left"($1, {_QUERY_CHARACTERS})))
                 AS w (lexeme, positions, weights)
            ORDER BY cardinality(positions) DESC, lexeme COLLATE "C" LIMIT {_MAX_TERMS}
            """,
            ("text",),
            (query,),
        )
        lexemes = [row["lexeme"] for row in rows]
        if not lexemes:
            # An empty tsquery matches nothing too, but PostgreSQL raises a notice for it.
            return "NULL::tsquery", "NULL"
        quoted = ("'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'" for lexeme in lexemes)
        return f"{self._parameter(' | '.join(quoted), 'text')}::tsquery", self._parameter(lexemes, "text[]")

    def _bm25_ranking(self, any_term: str, terms: str, pool: int) -> str:
        """BM25 over the rows that the caller sees; a document's length is its number of distinct terms."""
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
                           sum(term.idf * p.tf * {_BM25_K1 + 1}
                               / (p.tf + {_BM25_K1} * ({1 - _BM25_B} + {_BM25_B} * p.size / c.size))) AS score
                    FROM posting AS p JOIN term ON term.lexeme = p.lexeme, corpus AS c
                    GROUP BY p.leaf, p.tid ORDER BY score DESC, p.leaf, p.tid LIMIT {pool}
                ) AS ranked
            )"""

    def _parameter(self, value: Any, type_: str) -> str:
        self._types.append(type_)
        self._values.append(value)
        return f"${len(self._values)}"
