"""Hybrid search over a semantic index: vectors and full text, fused by their scores.

Candidates are read from the companion table with the rights of its owner, in growing pools; which of them the caller
sees, and which pass the filter, is asked of the source with the caller's rights, and only that comes out. A chunk is
shown only while it is one of its row's present text.

Full text is ranked by BM25 (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75), as PostgreSQL's ts_rank knows no inverse
document frequency. Fusion is a convex combination of the scores, each as a share of its ranking's best (Bruch, Gai and
Ingber 2023), which finds more than reciprocal rank fusion did on both halves of Cranfield's queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ctypes import c_float
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from pg_llm.database import catalog, models, table_access
from pg_llm.database.catalog import METRICS
from pg_llm.database.connection import Connection, Row
from pg_llm.search import bm25, metadata_filter, reranking, semantic_index, text_analysis
from pg_llm.search.semantic_index import SemanticIndex

MODES = ("hybrid", "vector", "text")
GROUPS = ("row", "chunk")
MAX_RESULTS = 10_000
# Candidates that each ranking gives to the fusion, at least; how much a pool grows that did not suffice.
_MIN_POOL = 100
_GROWTH = 8
# Keys of rows that pass a filter, in one exact search.
_KEYS = 20_000
# How much the vectors' ranking counts; the rest is full text's. Chosen on one half of Cranfield's queries.
_VECTOR_WEIGHT = 0.6
# The largest value that hnsw.ef_search may have.
_MAX_EF_SEARCH = 1000

# Key, score, row, passage, its first character from 1, the one behind its last.
Result = tuple[str, float, str, str, int, int]


class Hit(NamedTuple):
    """A chunk that a ranking found; `key` is the row's, `hash` that of the text it was made from."""

    key: str
    chunk: int
    start: int
    end: int
    hash: str
    score: float


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted: `limit` results, one per `group_by` (row or chunk), none that scores less than `min_score`.

    `rerank` is a model by whose scores the best `rerank_k`, `limit` at least, are put into another order.
    """

    limit: int
    filter: str | None = None
    group_by: str = "row"
    min_score: float | None = None
    rerank: str | None = None
    rerank_k: int = 0

    @property
    def least(self) -> float | None:
        """The least score, as scores come out."""
        return None if self.min_score is None else _shown(self.min_score)


def search(
    db: Connection, query: str | None, target: str, name: str | None, mode: str, request: Request
) -> list[Result]:
    """The best matches; none for an empty query, once the other arguments are valid."""
    wide = request if request.rerank is None else _widened(request)
    found = _Search(db, semantic_index.find(db, target, name), wide)
    if query is None or not query.strip() or request.limit == 0:
        return []
    rankings: list[_Ranking] = []
    if mode != "text":
        rankings.append(_VectorRanking(db, found.index, embed_query(db, found.index, query)))
    if mode != "vector":
        rankings.append(_TextRanking(db, found.index, query))
    results = found.results(rankings)
    return results if request.rerank is None else _reranked(db, query, results, request)


def _widened(request: Request) -> Request:
    """The request for what is to be reranked: more results, whose scores are others."""
    return replace(request, limit=max(request.limit, request.rerank_k), min_score=None)


def _reranked(db: Connection, query: str, results: Sequence[Result], request: Request) -> list[Result]:
    scores = reranking.rerank(db, query, [passage for _, _, _, passage, *_ in results], request.rerank)
    ranked = sorted(zip(scores, results, strict=True), key=lambda pair: -pair[0])
    minimum = request.least
    return [
        (key, score, row, passage, start, end)
        for score, (key, _, row, passage, start, end) in ranked[: request.limit]
        if minimum is None or _shown(score) >= minimum
    ]


def search_by(db: Connection, vector: str | None, target: str, name: str | None, request: Request) -> list[Result]:
    """The best matches of a vector, given as pgvector's literal."""
    found = _Search(db, semantic_index.find(db, target, name), request)
    if vector is None or request.limit == 0:
        return []
    return found.results([_VectorRanking(db, found.index, vector)])


def embed_query(db: Connection, index: SemanticIndex, query: str) -> str:
    """The vector of a query, by the model of the index."""
    vectors: list[str] = models.find(db, index.definition.model, "embedding").run("embedding", [query], role="query")
    return vectors[0]


class _Ranking:
    """One way to order the chunks of an index; read with the rights of the companion's owner."""

    def __init__(self, db: Connection, index: SemanticIndex) -> None:
        self._db = db
        self._index = index

    def best(self, pool: int, restricted: bool) -> list[Hit]:
        """About the `pool` best chunks."""
        raise NotImplementedError

    def best_of(self, keys: str, pool: int, restricted: bool) -> list[Hit]:
        """Exactly the `pool` best chunks of the rows with these keys, a JSON array of objects."""
        raise NotImplementedError

    def _rows(self, query: str, types: Sequence[str], values: Sequence[Any]) -> list[Row]:
        """What a query for rows of the companion with their score gives, as fields of `Hit`."""
        index = self._index
        statement = f"""
            SELECT {index.companion_key_object}::text AS key, c.chunk, c.start_pos AS start, c.end_pos AS end,
                   encode(c.text_hash, 'hex') AS hash, c.score::float8 AS score FROM ({query}) AS c
        """
        return self._db.run_as(index.owner, lambda: self._db.rows(statement, types, values))

    @property
    def _columns(self) -> str:
        return ", ".join(f"c.{name}" for name in (*self._index.keys, "chunk", "start_pos", "end_pos", "text_hash"))


class _VectorRanking(_Ranking):
    """Nearest neighbours of a vector."""

    def __init__(self, db: Connection, index: SemanticIndex, vector: str) -> None:
        super().__init__(db, index)
        self._vector = vector
        schema = catalog.schema_of(db, "vector")
        _, operator, self._score = METRICS[index.definition.metric]
        # Read once: a generic plan would parse the parameter again for each row.
        vector_once = f"(SELECT $1::{schema}.{index.definition.storage})"
        self._distance = f"(c.embedding OPERATOR({schema}.{operator}) {vector_once})"

    def best(self, pool: int, restricted: bool) -> list[Hit]:
        # The function's own setting is the least pool.
        if pool > _MIN_POOL:
            ef_search = str(min(_MAX_EF_SEARCH, pool))
            self._db.rows("SELECT set_config('hnsw.ef_search', $1, true)", ("text",), (ef_search,))
        return self._ranked(self._index.companion + " AS c", self._distance, pool, ("text",), (self._vector,))

    def best_of(self, keys: str, pool: int, restricted: bool) -> list[Hit]:
        index = self._index
        rows = f"{index.source.keys('$2::jsonb')} JOIN {index.companion} AS c ON {index.companion_has_key}"
        return self._ranked(rows, f"{self._distance} + 0", pool, ("text", "text"), (self._vector, keys))

    def _ranked(self, rows: str, order: str, pool: int, types: Sequence[str], values: Sequence[Any]) -> list[Hit]:
        query = f"""
            SELECT c.*, {self._score} AS score FROM (
                SELECT {self._columns}, {self._distance} AS distance FROM {rows} ORDER BY {order} LIMIT {pool}
            ) AS c
        """
        if self._index.definition.sentences == "none":
            return _hits(self._rows(query, types, values))
        return _best_of_chunks(_hits(self._rows(self._in_chunks(query), types, values)))

    def _in_chunks(self, query: str) -> str:
        """The same rows, a sentence with the place of its chunk: the first around it."""
        keys = ", ".join(f"c.{name}" for name in self._index.keys)
        is_same = " AND ".join(f"w.{name} = c.{name}" for name in self._index.keys)
        return f"""
            SELECT {keys}, coalesce(w.chunk, c.chunk) AS chunk, coalesce(w.start_pos, c.start_pos) AS start_pos,
                   coalesce(w.end_pos, c.end_pos) AS end_pos, c.text_hash, c.score
            FROM ({query}) AS c LEFT JOIN LATERAL (
                SELECT w.chunk, w.start_pos, w.end_pos FROM {self._index.companion} AS w
                WHERE c.chunk > 1 AND {is_same} AND w.start_pos <= c.start_pos AND w.end_pos >= c.end_pos
                ORDER BY w.chunk LIMIT 1
            ) AS w ON true
        """


class _TextRanking(_Ranking):
    """BM25; a chunk's length is its number of distinct terms."""

    def __init__(self, db: Connection, index: SemanticIndex, query: str) -> None:
        super().__init__(db, index)
        self._terms = text_analysis.query_terms(db, index.definition.text_config, query)
        self._statistics: bm25.Statistics | None = None

    def ranking(self, restricted: bool) -> bm25.Ranking:
        """The terms with their weights; `restricted` for callers who may not see all rows."""
        db, index = self._db, self._index
        if self._statistics is None:
            found = (index.companion_oid, index.companion, "words", "c.words", self._terms)
            self._statistics = db.run_as(index.owner, lambda: bm25.statistics(db, *found))
        return bm25.Ranking(self._statistics.rounded() if restricted else self._statistics, self._terms)

    def best(self, pool: int, restricted: bool) -> list[Hit]:
        ranking = self.ranking(restricted)
        rows = f"{self._index.companion} AS c"
        run = partial(self._matching, ranking, rows, pool, ())
        return list(bm25.best(ranking, pool, run, lambda hit: hit.score))

    def best_of(self, keys: str, pool: int, restricted: bool) -> list[Hit]:
        index, ranking = self._index, self.ranking(restricted)
        if not ranking:
            return []
        rows = f"{index.source.keys('$1::jsonb')} JOIN {index.companion} AS c ON {index.companion_has_key}"
        return self._matching(ranking, rows, pool, (keys,), ranking.any_term)

    def _matching(
        self, ranking: bm25.Ranking, rows: str, pool: int, keys: tuple[str, ...], condition: str
    ) -> list[Hit]:
        """The best rows that match a tsquery, of those with these keys."""
        types = ["text"] * len(keys)
        values: list[Any] = list(keys)

        def parameter(value: Any, type_: str) -> str:
            types.append(type_)
            values.append(value)
            return f"${len(values)}"

        score = ranking.score("w.words", parameter)
        order = ", ".join(f"c.{name}" for name in (*self._index.keys, "chunk"))
        query = f"""
            SELECT {self._columns}, {score} AS score FROM {rows}, LATERAL {bm25.unpacked("c.words")} AS w (words)
            WHERE c.words @@ {parameter(condition, "text")}::tsquery ORDER BY score DESC, {order} LIMIT {pool}
        """
        return _hits(self._rows(query, types, values))


def _shown(score: float) -> float:
    """A score as it comes out, of type real: what was seen may be asked for again as the least."""
    return c_float(score).value


def _shares(ranking: Sequence[Hit]) -> list[float]:
    """The scores from 0 to 1, the best; of distances, which are minus them, the farthest is 0."""
    scores = [hit.score for hit in ranking]
    lowest = min([0.0, *scores])
    widest = max(scores, default=0.0) - lowest
    return [(score - lowest) / widest if widest else 1.0 for score in scores]


def _hits(rows: Sequence[Row]) -> list[Hit]:
    return _best_first(Hit(**row) for row in rows)


def _best_first(hits: Iterable[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.key, hit.chunk))


def _best_of_chunks(hits: Sequence[Hit]) -> list[Hit]:
    """The first hit of each chunk, in order: it may be found by itself and by sentences of it."""
    first: dict[tuple[str, int], Hit] = {}
    for hit in hits:
        first.setdefault((hit.key, hit.chunk), hit)
    return list(first.values())


def _best_of_rows(hits: Sequence[Hit]) -> list[Hit]:
    """The first hit of each row, in order."""
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.key, hit)
    return list(first.values())


class _Search:
    """One search; `index.source` is the relation whose rows are wanted."""

    def __init__(self, db: Connection, index: SemanticIndex, request: Request) -> None:
        self._db = db
        self.index = index
        self._request = request
        # Before anything is computed, so that a wrong filter is an error at once.
        self._check = self._statement("SELECT e.number")
        self._fetch = self._fetch_statement()
        source = index.source
        self._role = table_access.role_for(db, [source.oid])
        self._as_caller(lambda: metadata_filter.check(db, request.filter, source.columns))
        # The rows that come out are fewer than those that were indexed: by policies, a filter, or as a part's.
        self._restricted = self._as_caller(
            lambda: bool(db.rows("SELECT row_security_active($1::oid) AS is", ("int8",), (source.oid,))[0]["is"])
        )
        self._filtered = self._restricted or request.filter is not None or index.target != source.oid

    def results(self, rankings: Sequence[_Ranking]) -> list[Result]:
        """The results, best first: from pools that grow, and exactly where few rows pass or those give too few."""
        limit, fuse = self._request.limit, len(rankings) > 1
        pool = max(_MIN_POOL, 2 * limit) if fuse or self._filtered else 2 * limit + 10
        for size in (pool, _GROWTH * pool):
            hits = [ranking.best(size, self._restricted) for ranking in rankings]
            passing = [self._passing(each) for each in hits] if self._filtered else hits
            found = self._assemble(passing, fuse)
            if len(found) >= limit or self._is_all(rankings, hits, size):
                return found
            if self._are_few(hits, passing):
                break
        return self._assemble(self._exact(rankings, _GROWTH * pool), fuse)

    def _is_all(self, rankings: Sequence[_Ranking], hits: Sequence[Sequence[Hit]], size: int) -> bool:
        """Whether a larger pool could give nothing more: all rows with the terms were found, or all of enough score."""
        minimum = self._request.least
        if len(rankings) > 1:
            return False
        if isinstance(rankings[0], _TextRanking) and len(hits[0]) < size:
            return True
        return minimum is not None and bool(hits[0]) and _shown(hits[0][-1].score) < minimum

    def _are_few(self, hits: Sequence[Sequence[Hit]], passing: Sequence[Sequence[Hit]]) -> bool:
        """Whether it is quicker to look at all rows that pass than at the best of all, judged by those that were found.

        Also where all chunks have been looked at.
        """
        query = "SELECT greatest(reltuples, 0) AS rows FROM pg_class WHERE oid = $1::oid"
        rows = self._db.rows(query, ("int8",), (self.index.companion_oid,))[0]["rows"]
        found = sum(map(len, hits))
        return bool(rows * (sum(map(len, passing)) + 1) / (found + 1) <= _KEYS)

    def _exact(self, rankings: Sequence[_Ranking], pool: int) -> list[list[Hit]]:
        """Rankings of nothing but the rows that the caller sees and that pass the filter."""
        condition, types, values = self._condition(0)
        source = self.index.source
        query = f"SELECT {source.key_object}::text AS key FROM {source.relation} AS t WHERE {condition}"
        keys = [row["key"] for row in self._as_caller(lambda: self._db.query_unprepared(query, types, values))]
        hits: list[list[Hit]] = []
        for ranking in rankings:
            batches = [f"[{', '.join(keys[start : start + _KEYS])}]" for start in range(0, len(keys), _KEYS)]
            best = [hit for batch in batches for hit in ranking.best_of(batch, pool, self._restricted)]
            hits.append(_best_first(best))
        return hits

    def _assemble(self, rankings: list[list[Hit]], fuse: bool) -> list[Result]:
        if self._request.group_by == "row":
            rankings = [_best_of_rows(hits) for hits in rankings]
        hits = self._fused(rankings) if fuse else rankings[0]
        minimum = self._request.least
        hits = [hit for hit in hits if minimum is None or _shown(hit.score) >= minimum]
        found: list[Result] = []
        limit = self._request.limit
        while hits and len(found) < limit:
            wanted = limit - len(found)
            found += self._present(hits[:wanted])
            hits = hits[wanted:]
        return found

    def _fused(self, rankings: Sequence[Sequence[Hit]]) -> list[Hit]:
        """Vectors and full text by one score from 0 to 1; what a ranking has not found has none of its share."""
        by_row = self._request.group_by == "row"
        scores: dict[Any, float] = {}
        hits: dict[Any, Hit] = {}
        weights = (_VECTOR_WEIGHT, 1 - _VECTOR_WEIGHT)
        for weight, ranking in zip(weights, rankings, strict=True):
            for hit, share in zip(ranking, _shares(ranking), strict=True):
                identity = hit.key if by_row else (hit.key, hit.chunk)
                scores[identity] = scores.get(identity, 0.0) + weight * share
                hits.setdefault(identity, hit)
        return _best_first(hit._replace(score=scores[identity]) for identity, hit in hits.items())

    def _passing(self, hits: list[Hit]) -> list[Hit]:
        """Those whose rows the caller sees and that pass the filter."""
        if not hits:
            return []
        query, types, values = self._check
        keys = f"[{', '.join(hit.key for hit in hits)}]"
        places = [[0] * len(hits)] * 2
        rows = self._as_caller(lambda: self._db.rows(query, types, (keys, *places, [""] * len(hits), *values)))
        return [hits[number - 1] for number in sorted(row["number"] for row in rows)]

    def _present(self, hits: Sequence[Hit]) -> list[Result]:
        """The results of these hits, in order, without those that are not of their row's text any more."""
        query, types, values = self._fetch
        keys = f"[{', '.join(hit.key for hit in hits)}]"
        places = ([hit.start for hit in hits], [hit.end for hit in hits], [hit.hash for hit in hits])
        rows = self._as_caller(lambda: self._db.rows(query, types, (keys, *places, *values)))
        found = {row["number"]: row for row in rows}
        return [
            (row["key"], hit.score, row["row"], row["passage"], hit.start, hit.end)
            for number, hit in enumerate(hits, 1)
            if (row := found.get(number))
        ]

    def _fetch_statement(self) -> tuple[str, list[str], list[Any]]:
        index, source = self.index, self.index.source
        return self._statement(
            f"""
            SELECT e.number, {source.key_object}::text AS key, ({source.object(source.columns)})::text AS row,
                   CASE WHEN 0 < e.start_pos AND e.start_pos < e.end_pos
                        THEN substring({index.document} FROM e.start_pos FOR e.end_pos - e.start_pos) ELSE ''
                   END AS passage
            """,
            f"{index.text_hash} = decode(e.hash, 'hex')",
        )

    def _statement(self, head: str, also: str = "true") -> tuple[str, list[str], list[Any]]:
        """A statement on the rows of hits; its first parameters are their keys, places and hashes."""
        source = self.index.source
        condition, types, values = self._condition(4)
        query = f"""
            {head}
            FROM ROWS FROM (jsonb_array_elements($1::jsonb), unnest($2::int4[]), unnest($3::int4[]), unnest($4::text[]))
                 WITH ORDINALITY AS e (key, start_pos, end_pos, hash, number)
            CROSS JOIN LATERAL {source.one_key("e.key")} JOIN {source.relation} AS t ON {source.same_key}
            WHERE ({condition}) AND {also}
        """
        return query, ["text", "int4[]", "int4[]", "text[]", *types], values

    def _condition(self, before: int) -> tuple[str, list[str], list[Any]]:
        """The filter as SQL, with parameters that are numbered from `before` + 1."""
        types: list[str] = []
        values: list[Any] = []

        def parameter(value: Any, type_: str) -> str:
            types.append(type_)
            values.append(value)
            return f"${before + len(values)}"

        return metadata_filter.condition(self._request.filter, self.index.source.columns, parameter), types, values

    def _as_caller(self, work: Callable[[], Any]) -> Any:
        return table_access.as_role(self._db, self._role, work)
