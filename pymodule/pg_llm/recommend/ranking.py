"""Sequential recommendation: the next items of a user, from the events there are at this moment.

A transformer scores items after the user's latest ones, found by its vector; the neighbors of the last few score them
by item-based collaborative filtering. Both are summed as logarithms, so only the order of the scores has a meaning.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pg_llm.database import catalog, models, table_access
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.errors import InvalidInput
from pg_llm.recommend import reranking, source
from pg_llm.recommend.options import RECENT
from pg_llm.recommend.reranking import HistoryItem
from pg_llm.search import metadata_filter

_R = TypeVar("_R")
MAX_ITEMS = 1000
# A user's latest events that are read, to exclude the items seen.
_MAX_HISTORY = 5000
# Candidates from the vector search, and from the neighbors; the head of the ranking that is diversified; fresh items.
# These are the least: longer lists take more.
_VECTOR_POOL = 100
_NEIGHBOR_POOL = 200
_DIVERSIFIED = 100
_FRESH_POOL = 50
# Bounds of hnsw.ef_search, the number of items that the index finds: the neighbors supplement a short list.
_EF_SEARCH = (40, 1000)
_MAX_TITLE_LENGTH = 60
# Item, score, reason.
Recommendation = tuple[str, float, str]


class RecommendationQuery:
    """Lists of `limit` items from one recommender. Raises InvalidInput and what reading its tables raises."""

    def __init__(
        self,
        db: Connection,
        recommender: str | None,
        limit: int,
        exclude_seen: bool = True,
        filter: str | None = None,
        diversity: float = 0,
    ) -> None:
        self._db = db
        self._limit = limit
        self._exclude_seen = exclude_seen
        self._diversity = diversity
        self._recommender = source.find(db, recommender)
        self._options = json.loads(self._recommender.row["options"])
        self._events = source.events(db, self._recommender.row)
        self._items = source.items(db, self._recommender.row)
        self._vector_schema = catalog.schema_of(db, "vector")
        self._types: list[str] = []
        self._values: list[Any] = []
        if filter is not None and self._items is None:
            raise InvalidInput(
                "a filter needs the table of the items",
                hint="llm_fit_recommender(…, items => 'film', item_key => 'id').",
            )
        columns = self._items.columns if self._items else {}
        condition = metadata_filter.condition(filter, columns, self._parameter)
        # Items that have been deleted are not recommended, nor those that the filter rejects.
        self._and_exists = ""
        if self._items is not None:
            same_key = self._items.has_key("c.item")
            self._and_exists = f" AND EXISTS (SELECT FROM {self._items.relation} AS t WHERE {same_key} AND {condition})"
        tables = [self._recommender.row["catalogue_oid"], *([self._items.oid] if self._items else [])]
        self._role = table_access.role_for(db, tables)
        self._as_role(lambda: metadata_filter.check(db, filter, columns))

    def check_readable(self) -> None:
        """Raise what reading the events raises."""
        source.check_readable(self._db, self._events)

    def history(self, user: str) -> list[str]:
        """The user's items, the latest first; none for a text that is no value of the column's type."""
        events = self._events
        types: list[str] = []

        def parameter(value: Any, type_: str) -> str:
            types.append(type_)
            return "$1"

        user_value = events.user_type.parameter(parameter, user)
        query = (
            f"SELECT {events.item_text} AS item FROM {events.relation} WHERE {events.user} = {user_value}"
            f" AND {events.usable} ORDER BY {events.order_by(' DESC')} LIMIT {_MAX_HISTORY}"
        )
        try:
            with self._db.savepoint():
                rows = events.read(self._db, lambda: self._db.rows(query, types, [user]))
        except DatabaseError as error:
            # Class 22: data exceptions.
            if not str(error.sqlstate).startswith("22"):
                raise
            return []
        return [row["item"] for row in rows]

    def lists(self, histories: Sequence[Sequence[str]]) -> list[list[Recommendation]]:
        """The recommendations after each history (latest item first), best first."""
        if not self._limit:
            return [[] for _ in histories]
        known = self._as_role(lambda: [self._known_items(history) for history in histories])
        sequences = [json.dumps([item.number for item in reversed(items)]) for items in known if items]
        least, most = _EF_SEARCH
        ef_search = str(min(most, max(least, 2 * self._limit, _DIVERSIFIED if self._diversity else 0)))
        self._db.rows("SELECT set_config('hnsw.ef_search', $1, true)", ("text",), (ef_search,))
        model = models.find(self._db, self._recommender.name, None, ("recommendation",))
        vectors = iter(model.run("recommendation", sequences, k=None) if sequences else [])
        return self._as_role(
            lambda: [
                self._recommend(history, items, next(vectors) if items else None)
                for history, items in zip(histories, known, strict=True)
            ]
        )

    def similar(self, item: str) -> list[tuple[str, float]]:
        """The items of the nearest vectors by cosine, without the last dimension, which holds the item's frequency."""
        table, version = self._recommender.item_table, self._recommender.version
        own_part = f"{self._vector_schema}.subvector({{}}, 1, {self._options['dimensions']})"
        probe = f"{own_part.format('embedding')} OPERATOR({self._vector_schema}.||) '[0]'::{self._vector_schema}.vector"
        query = f"""
            WITH one AS MATERIALIZED (
                SELECT number, {own_part.format("embedding")} AS own, neighbours, ({probe}) AS probe
                FROM {table} WHERE version = {version} AND item = {self._parameter(item, "text")}
            ), near AS (
                SELECT number FROM (
                    SELECT c.number FROM {table} AS c WHERE c.version = {version}
                    ORDER BY c.embedding OPERATOR({self._vector_schema}.<#>) (SELECT probe FROM one)
                    LIMIT {_VECTOR_POOL + self._limit}
                ) AS nearest
                UNION SELECT unnest(neighbours) FROM one
            )
            SELECT c.item, 1 - ({own_part.format("c.embedding")} OPERATOR({self._vector_schema}.<=>) one.own) AS score
            FROM near JOIN {table} AS c ON c.version = {version} AND c.number = near.number, one
            WHERE c.number <> one.number {self._and_exists}
            ORDER BY score DESC, c.number LIMIT {self._limit}
        """
        rows = self._as_role(lambda: self._db.query_unprepared(query, self._types, self._values))
        return [(row["item"], row["score"]) for row in rows]

    def _as_role(self, work: Callable[[], _R]) -> _R:
        return table_access.as_role(self._db, self._role, work)

    def _known_items(self, history: Sequence[str]) -> list[HistoryItem]:
        """The latest items that the recommender knows, the latest first; neighbors only of the last `RECENT`."""
        latest = list(history[: max(RECENT, self._options["max_length"])])
        if not latest:
            return []
        query = (
            "SELECT c.item, c.number, CASE WHEN c.item = ANY($2) THEN c.neighbours END AS neighbours,"
            " CASE WHEN c.item = ANY($2) THEN c.weights END AS weights"
            f" FROM {self._recommender.item_table} AS c"
            f" WHERE c.version = {self._recommender.version} AND c.item = ANY($1)"
        )
        known = {
            row["item"]: (row["number"], dict(zip(row["neighbours"] or (), row["weights"] or (), strict=True)))
            for row in self._db.rows(query, ("text[]", "text[]"), [latest, latest[:RECENT]])
        }
        return [
            HistoryItem(item, known[item][0], steps, known[item][1])
            for steps, item in enumerate(latest)
            if item in known
        ]

    def _recommend(
        self, history: Sequence[str], known: Sequence[HistoryItem], vector: str | None
    ) -> list[Recommendation]:
        seen = list(dict.fromkeys(history)) if self._exclude_seen else []
        recommendations: list[Recommendation] = []
        if vector is not None:
            neighbors = reranking.neighbor_scores(known, self._options["decay"])
            strongest = heapq.nlargest(max(_NEIGHBOR_POOL, 2 * self._limit), neighbors, key=neighbors.__getitem__)
            candidates = self._candidates(vector, strongest, seen)
            ranked = reranking.rank(candidates, neighbors, self._options["share"], self._options["lift"])
            if self._diversity:
                head = ranked[: max(_DIVERSIFIED, self._limit)]
                vectors = self._vectors([row["number"] for _, row in head])
                ranked = reranking.diversify(head, vectors, self._diversity, self._limit)
            best = ranked[: self._limit]
            reasons = self._reasons([row["number"] for _, row in best], known)
            recommendations = [(row["item"], score, reasons[row["number"]]) for score, row in best]
        missing = self._limit - len(recommendations)
        excluded = [*seen, *(item for item, _, _ in recommendations)]
        return recommendations + self._popular(missing, excluded, recommendations)

    def _candidates(self, vector: str, neighbors: list[int], seen: list[str]) -> list[Row]:
        """Candidates by approximate search, or by exact search if the index finds too few that may be shown."""
        rows = self._search_candidates(vector, neighbors, seen, exact=False)
        return rows if len(rows) >= self._limit else self._search_candidates(vector, neighbors, seen, exact=True)

    def _search_candidates(self, vector: str, neighbors: list[int], seen: list[str], exact: bool) -> list[Row]:
        """The items with the highest logits, the freshest among them, and the neighbors, each with its logit."""
        types, values = list(self._types), list(self._values)

        def parameter(value: Any, type_: str) -> str:
            types.append(type_)
            values.append(value)
            return f"${len(values)}"

        table = self._recommender.item_table
        # Read once: a generic plan would parse the parameter again for each item.
        query_vector = f"(SELECT {parameter(vector, 'text')}::{self._vector_schema}.vector)"
        # A subquery is hashed; an array would be scanned for every item.
        unseen = f"c.item NOT IN (SELECT unnest({parameter(seen, 'text[]')}))" if seen else "true"
        allowed = f"c.version = {self._recommender.version} AND {unseen}{self._and_exists}"
        distance = f"c.embedding OPERATOR({self._vector_schema}.<#>) {query_vector}"
        columns = f"c.number, c.item, c.fresh, -({distance}) AS likely"
        # `+ 0` keeps the planner off the vector index: exact search.
        order = f"({distance}) + 0" if exact else distance
        pools = [("true", max(_VECTOR_POOL, 2 * self._limit))]
        if self._options["fresh"]:
            pools.append(("c.fresh", max(_FRESH_POOL, self._limit)))
        nearest = " UNION ".join(
            f"(SELECT {columns} FROM {table} AS c WHERE {allowed} AND {condition} ORDER BY {order} LIMIT {size})"
            for condition, size in pools
        )
        query = f"""
            {nearest}
            UNION
            SELECT {columns} FROM {table} AS c
            WHERE {allowed} AND c.number = ANY({parameter(neighbors, "int4[]")})
        """
        return self._db.rows(query, types, values)

    def _vectors(self, numbers: Sequence[int]) -> dict[int, list[float]]:
        """The items' vectors without the last dimension, which holds the item's frequency."""
        query = (
            f"SELECT number, embedding::text AS v FROM {self._recommender.item_table}"
            " WHERE version = $1 AND number = ANY($2)"
        )
        rows = self._db.rows(query, ("int4", "int4[]"), [self._recommender.version, numbers])
        return {row["number"]: json.loads(row["v"])[:-1] for row in rows}

    def _reasons(self, numbers: Sequence[int], known: Sequence[HistoryItem]) -> dict[int, str]:
        """The reason for each item: the one of the history that it is a neighbor of, else the nearest by vector."""
        items = reranking.strongest_neighbors(numbers, known, self._options["decay"])
        others = [number for number in numbers if number not in items]
        if others:
            table = self._recommender.item_table
            query = f"""
                SELECT DISTINCT ON (c.number) c.number, p.item FROM {table} AS c, {table} AS p
                WHERE c.version = $1 AND p.version = $1 AND c.number = ANY($2) AND p.number = ANY($3)
                ORDER BY c.number, c.embedding OPERATOR({self._vector_schema}.<=>) p.embedding
            """
            values = [self._recommender.version, others, [item.number for item in known[:RECENT]]]
            rows = self._db.rows(query, ("int4", "int4[]", "int4[]"), values)
            items.update({row["number"]: row["item"] for row in rows})
        titles = self._titles(sorted(set(items.values())))
        return {number: f"goes with {titles.get(item, item)}" for number, item in items.items()}

    def _titles(self, items: list[str]) -> dict[str, str]:
        """The first line of the items' texts, where their table has texts."""
        if self._items is None or not self._items.text_columns:
            return {}
        query = (
            f"SELECT {self._items.item} AS item, {self._items.text} AS title FROM {self._items.relation} AS t,"
            f" unnest($1) AS w (item) WHERE {self._items.has_key('w.item')}"
        )
        rows = self._db.rows(query, ("text[]",), [items])
        return {row["item"]: row["title"].partition("\n")[0][:_MAX_TITLE_LENGTH] or row["item"] for row in rows}

    def _popular(self, limit: int, excluded: list[str], before: Sequence[Recommendation]) -> list[Recommendation]:
        """The most popular items to fill up a list; their scores continue below those of the items before."""
        if limit <= 0:
            return []
        types, values = [*self._types, "text[]"], [*self._values, excluded]
        query = (
            f"SELECT c.item, c.recent FROM {self._recommender.item_table} AS c"
            f" WHERE c.version = {self._recommender.version}"
            f" AND c.item NOT IN (SELECT unnest(${len(values)})){self._and_exists}"
            f" ORDER BY c.recent DESC, c.number LIMIT {limit}"
        )
        rows = self._db.rows(query, types, values)
        most = max((row["recent"] for row in rows), default=0.0) or 1.0
        floor = min(score for _, score, _ in before) - 1.0 if before else 0.0
        return [
            (row["item"], floor + row["recent"] / most if before else row["recent"], "popular lately") for row in rows
        ]

    def _parameter(self, value: Any, type_: str) -> str:
        self._types.append(type_)
        self._values.append(value)
        return f"${len(self._values)}"
