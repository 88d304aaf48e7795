"""Recommendations: what a user wants next, from the events there are at this moment.

A transformer says how likely each item is after the user's latest ones, found by its vector; the neighbours of the last
few say the same from who followed whom. The score is the sum of both as logarithms, so only its order has a meaning.
"""

from __future__ import annotations

import bisect
import heapq
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, models, table_access
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.errors import InvalidInput
from pg_llm.recommend import source
from pg_llm.recommend.options import EPSILON, RECENT
from pg_llm.recommend.source import Recommender
from pg_llm.search import metadata_filter

_MOST = 1000
# A user's latest events that are read: to leave out what was seen, and those of them that the transformer reads.
_HISTORY = 5000
# Items that the vector search and that the neighbours give to the ranking, at least, how many of the best diversity
# chooses from, and how many fresh items are ranked, at least.
_POOL = 100
_NEAR = 200
_DIVERSE = 100
_FRESH = 50
# hnsw.ef_search, which is how many items the index finds: a short list is filled from the neighbours too.
_BREADTH = (40, 1000)
_LONGEST_TITLE = 60
Found = tuple[str, float, str]


def recommend(
    db: Connection,
    user_id: str | None,
    k: int | None,
    recommender: str | None,
    exclude_seen: bool | None,
    filter: str | None,
    diversity: float | None,
) -> list[Found]:
    """The k items that a user most probably wants next, best first, after the events there are at this moment."""
    ask = _Ask(db, recommender, k, exclude_seen, filter, diversity)
    return ask.lists([ask.history(user_id)])[0] if user_id is not None else []


def recommend_for(
    db: Connection,
    items: list[str | None] | None,
    k: int | None,
    recommender: str | None,
    exclude_seen: bool | None,
    filter: str | None,
    diversity: float | None,
) -> list[Found]:
    """As recommend(), for a session without a user: after these items, the latest last."""
    ask = _Ask(db, recommender, k, exclude_seen, filter, diversity)
    ask.readable()
    history = [item for item in reversed(arguments.texts(items)) if item is not None]
    return ask.lists([history])[0]


def recommend_batch(
    db: Connection,
    user_ids: list[str | None] | None,
    k: int | None,
    recommender: str | None,
    exclude_seen: bool | None,
    filter: str | None,
    diversity: float | None,
) -> list[tuple[str, int, str, float, str]]:
    """What recommend() gives for each of many users, with the place in the list from 1."""
    ask = _Ask(db, recommender, k, exclude_seen, filter, diversity)
    users = [user for user in arguments.texts(user_ids) if user is not None]
    lists = ask.lists([ask.history(user) for user in users])
    return [
        (user, rank, *found) for user, ranked in zip(users, lists, strict=True) for rank, found in enumerate(ranked, 1)
    ]


def similar_items(db: Connection, item: str | None, k: int | None, recommender: str | None) -> list[tuple[str, float]]:
    """The k items whose vectors are most like that of an item, by cosine from -1 to 1; none for an unknown item."""
    ask = _Ask(db, recommender, k, True, None, 0)
    ask.readable()
    return [] if item is None else ask.similar(item)


@dataclass(frozen=True, slots=True)
class _Past:
    """An item that the user had, with what it speaks for; `steps` back from the latest."""

    item: str
    number: int
    steps: int
    neighbours: dict[int, float]


class _Ask:
    """One recommender and what is wanted of it."""

    def __init__(
        self,
        db: Connection,
        name: str | None,
        k: int | None,
        exclude_seen: bool | None,
        filter: str | None,
        diversity: float | None,
    ) -> None:
        self._db = db
        if k is None or not 0 <= k <= _MOST:
            raise InvalidInput(f"k must lie between 0 and {_MOST}")
        if diversity is None or not 0 <= diversity <= 1:
            raise InvalidInput("diversity must lie between 0 and 1", hint="0 is the best items, 1 the most varied.")
        self._k = k
        self._exclude_seen = exclude_seen is not False
        self._diversity = diversity
        self._of: Recommender = source.named(db, name)
        self._options = json.loads(self._of.row["options"])
        self._events = source.events(db, self._of.row)
        self._items = source.items(db, self._of.row)
        self._vectors = catalog.schema_of(db, "vector")
        self._types: list[str] = []
        self._values: list[Any] = []
        if filter is not None and self._items is None:
            raise InvalidInput(
                "a filter needs the table of the items",
                hint="llm_fit_recommender(…, items => 'film', item_key => 'id').",
            )
        condition = metadata_filter.condition(filter, self._items.columns if self._items else {}, self._parameter)
        # What has been deleted is not recommended; the key's own type, so that its index serves.
        self._there = ""
        if self._items is not None:
            same = self._items.same("c.item")
            self._there = f" AND EXISTS (SELECT FROM {self._items.relation} AS t WHERE {same} AND {condition})"
        tables = [self._of.row["catalogue_oid"], *([self._items.oid] if self._items else [])]
        self._role = table_access.role_for(db, tables)

    def readable(self) -> None:
        """Raises what reading the events raises."""
        source.readable(self._db, self._events)

    def history(self, user: str) -> list[str]:
        """The user's items, the latest first; none for a user that there cannot be."""
        of = self._events
        types: list[str] = []

        def parameter(value: Any, type: str) -> str:
            types.append(type)
            return "$1"

        its = of.user_type.parameter(parameter, user)
        query = (
            f"SELECT {of.item_text} AS item FROM {of.relation} WHERE {of.user} = {its}"
            f" AND {of.usable} ORDER BY {of.ordered(' DESC')} LIMIT {_HISTORY}"
        )
        try:
            with self._db.savepoint():
                found = of.read(self._db, lambda: self._db.rows(query, types, [user]))
        except DatabaseError as error:
            # Data exceptions: no value of the column's type.
            if not str(error.sqlstate).startswith("22"):
                raise
            return []
        return [row["item"] for row in found]

    def lists(self, histories: Sequence[Sequence[str]]) -> list[list[Found]]:
        """What comes after each history."""
        if not self._k:
            return [[] for _ in histories]
        pasts = table_access.as_role(self._db, self._role, lambda: [self._past(history) for history in histories])
        read = [json.dumps([past.number for past in reversed(each)]) for each in pasts]
        asked = [text for text, each in zip(read, pasts, strict=True) if each]
        least, most = _BREADTH
        breadth = str(min(most, max(least, 2 * self._k, _DIVERSE if self._diversity else 0)))
        self._db.rows("SELECT set_config('hnsw.ef_search', $1, true)", ("text",), (breadth,))
        model = models.find(self._db, self._of.name, None, ("recommendation",))
        vectors = iter(model.run("recommendation", asked, k=None) if asked else [])
        return table_access.as_role(
            self._db,
            self._role,
            lambda: [
                self._ranked(history, past, next(vectors) if past else None)
                for history, past in zip(histories, pasts, strict=True)
            ],
        )

    def similar(self, item: str) -> list[tuple[str, float]]:
        """By cosine, without what a vector says of how frequent its item is."""
        part = f"{self._vectors}.subvector({{}}, 1, {self._options['dimensions']})"
        query = f"""
            WITH one AS MATERIALIZED (
                SELECT number, {part.format("embedding")} AS own, neighbours,
                       ({part.format("embedding")} OPERATOR({self._vectors}.||) '[0]'::{self._vectors}.vector) AS probe
                FROM {self._of.catalogue} WHERE version = {self._of.version} AND item = {self._parameter(item, "text")}
            ), near AS (
                SELECT number FROM (
                    SELECT c.number FROM {self._of.catalogue} AS c WHERE c.version = {self._of.version}
                    ORDER BY c.embedding OPERATOR({self._vectors}.<#>) (SELECT probe FROM one) LIMIT {_POOL + self._k}
                ) AS nearest
                UNION SELECT unnest(neighbours) FROM one
            )
            SELECT c.item, 1 - ({part.format("c.embedding")} OPERATOR({self._vectors}.<=>) one.own) AS score
            FROM near JOIN {self._of.catalogue} AS c ON c.version = {self._of.version} AND c.number = near.number, one
            WHERE c.number <> one.number {self._there}
            ORDER BY score DESC, c.number LIMIT {self._k}
        """
        found = table_access.as_role(
            self._db, self._role, lambda: self._db.query_unprepared(query, self._types, self._values)
        )
        return [(row["item"], row["score"]) for row in found]

    def _past(self, history: Sequence[str]) -> list[_Past]:
        """The latest items that the recommender knows, the latest first."""
        latest = list(history[: max(RECENT, self._options["max_length"])])
        if not latest:
            return []
        query = (
            f"SELECT c.item, c.number, CASE WHEN c.item = ANY($2) THEN c.neighbours END AS neighbours,"
            f" CASE WHEN c.item = ANY($2) THEN c.weights END AS weights"
            f" FROM {self._of.catalogue} AS c WHERE c.version = {self._of.version} AND c.item = ANY($1)"
        )
        known = {
            row["item"]: (row["number"], dict(zip(row["neighbours"] or (), row["weights"] or (), strict=True)))
            for row in self._db.rows(query, ("text[]", "text[]"), [latest, latest[:RECENT]])
        }
        return [
            _Past(item, known[item][0], steps, known[item][1]) for steps, item in enumerate(latest) if item in known
        ]

    def _ranked(self, history: Sequence[str], past: Sequence[_Past], vector: str | None) -> list[Found]:
        seen = list(dict.fromkeys(history)) if self._exclude_seen else []
        found: list[Found] = []
        if vector is not None:
            said = self._said(past)
            strongest = heapq.nlargest(max(_NEAR, 2 * self._k), said, key=said.__getitem__)
            candidates = self._candidates(vector, strongest, seen)
            share = self._options["share"]
            scored = [
                (row["likely"] + share * math.log(EPSILON + said.get(row["number"], 0.0)), row)
                for row in candidates
                if not row["fresh"]
            ]
            scored += self._placed([row for row in candidates if row["fresh"]], scored)
            ranked = sorted(scored, key=lambda each: (-each[0], each[1]["number"]))
            if self._diversity:
                ranked = self._varied(ranked[: max(_DIVERSE, self._k)])
            best = ranked[: self._k]
            because = self._reasons([row["number"] for _, row in best], past)
            found = [(row["item"], score, because[row["number"]]) for score, row in best]
        return found + self._popular(self._k - len(found), [*seen, *(item for item, _, _ in found)], found)

    def _said(self, past: Sequence[_Past]) -> dict[int, float]:
        """What the latest items say of their neighbours, in sum one."""
        said: dict[int, float] = {}
        for each in past:
            for number, weight in each.neighbours.items():
                said[number] = said.get(number, 0.0) + self._options["decay"] ** each.steps * weight
        total = sum(said.values())
        return {number: value / total for number, value in said.items()} if total else {}

    def _placed(self, fresh: Sequence[Row], others: Sequence[tuple[float, Row]]) -> list[tuple[float, Row]]:
        """Fresh items stand among the others where the transformer alone, which reads their text, would place them."""
        likely = sorted(row["likely"] for _, row in others)
        scores = sorted(score for score, _ in others)
        found = []
        for row in fresh:
            score = row["likely"] + self._options["lift"]
            place = bisect.bisect_left(likely, score)
            if likely and place in (0, len(likely)):
                end = min(place, len(likely) - 1)
                score = scores[end] + score - likely[end]
            elif likely:
                way = (score - likely[place - 1]) / (likely[place] - likely[place - 1])
                score = scores[place - 1] + way * (scores[place] - scores[place - 1])
            found.append((score, row))
        return found

    def _candidates(self, vector: str, others: list[int], seen: list[str]) -> list[Row]:
        """As `_found`; exactly if the index could not find k items that the user may be shown."""
        found = self._found(vector, others, seen, exact=False)
        return found if len(found) >= self._k else self._found(vector, others, seen, exact=True)

    def _found(self, vector: str, others: list[int], seen: list[str], exact: bool) -> list[Row]:
        """The items that the transformer finds likeliest, and the others; with how likely it finds each."""
        types, values = list(self._types), list(self._values)

        def parameter(value: Any, type: str) -> str:
            types.append(type)
            values.append(value)
            return f"${len(values)}"

        wanted = f"{parameter(vector, 'text')}::{self._vectors}.vector"
        # As a subquery it is hashed; an array would be gone through for every item.
        new = f"c.item NOT IN (SELECT unnest({parameter(seen, 'text[]')}))" if seen else "true"
        here = f"c.version = {self._of.version} AND {new}{self._there}"
        distance = f"c.embedding OPERATOR({self._vectors}.<#>) {wanted}"
        columns = f"c.number, c.item, c.fresh, -({distance}) AS likely"
        # An expression that no index is on.
        order = f"({distance}) + 0" if exact else distance
        parts = [
            f"(SELECT {columns} FROM {self._of.catalogue} AS c WHERE {here} AND {which} ORDER BY {order} LIMIT {most})"
            for which, most in (("true", max(_POOL, 2 * self._k)), ("c.fresh", max(_FRESH, self._k)))
            if which == "true" or self._options["fresh"]
        ]
        query = f"""
            {" UNION ".join(parts)}
            UNION
            SELECT {columns} FROM {self._of.catalogue} AS c
            WHERE {here} AND c.number = ANY({parameter(others, "int4[]")})
        """
        return self._db.rows(query, types, values)

    def _varied(self, ranked: Sequence[tuple[float, Row]]) -> list[tuple[float, Row]]:
        """Maximal marginal relevance (Carbonell and Goldstein 1998), on places in the ranking and cosines."""
        query = f"SELECT number, embedding::text AS v FROM {self._of.catalogue} WHERE version = $1 AND number = ANY($2)"
        numbers = [row["number"] for _, row in ranked]
        own = {}
        for row in self._db.rows(query, ("int4", "int4[]"), [self._of.version, numbers]):
            vector = json.loads(row["v"])[:-1]
            length = math.sqrt(sum(each * each for each in vector)) or 1.0
            own[row["number"]] = [each / length for each in vector]
        worth = {number: 1 - place / len(numbers) for place, number in enumerate(numbers)}
        closest = dict.fromkeys(numbers, 0.0)
        waiting = dict(zip(numbers, ranked, strict=True))
        chosen: list[tuple[float, Row]] = []
        while waiting and len(chosen) < self._k:
            best = max(
                waiting, key=lambda number: (1 - self._diversity) * worth[number] - self._diversity * closest[number]
            )
            chosen.append(waiting.pop(best))
            for number in waiting:
                alike = sum(a * b for a, b in zip(own[best], own[number], strict=True))
                closest[number] = max(closest[number], alike)
        return chosen

    def _reasons(self, numbers: Sequence[int], past: Sequence[_Past]) -> dict[int, str]:
        """The past item that speaks most for each: as its neighbour, else by its vector."""
        by: dict[int, str] = {}
        for number in numbers:
            value, each = max(
                ((self._options["decay"] ** each.steps * each.neighbours.get(number, 0.0), each) for each in past),
                key=lambda pair: pair[0],
            )
            if value:
                by[number] = each.item
        others = [number for number in numbers if number not in by]
        if others:
            query = f"""
                SELECT DISTINCT ON (c.number) c.number, p.item FROM {self._of.catalogue} AS c, {self._of.catalogue} AS p
                WHERE c.version = $1 AND p.version = $1 AND c.number = ANY($2) AND p.number = ANY($3)
                ORDER BY c.number, c.embedding OPERATOR({self._vectors}.<=>) p.embedding
            """
            values = [self._of.version, others, [each.number for each in past[:RECENT]]]
            by.update(
                {row["number"]: row["item"] for row in self._db.rows(query, ("int4", "int4[]", "int4[]"), values)}
            )
        titles = self._titles(sorted(set(by.values())))
        return {number: f"goes with {titles.get(item, item)}" for number, item in by.items()}

    def _titles(self, items: list[str]) -> dict[str, str]:
        """How the items are called, where their table has a text: its first line."""
        if self._items is None or not self._items.texts:
            return {}
        query = (
            f"SELECT {self._items.item} AS item, {self._items.text} AS title FROM {self._items.relation} AS t,"
            f" unnest($1) AS w (item) WHERE {self._items.same('w.item')}"
        )
        found = self._db.rows(query, ("text[]",), [items])
        return {row["item"]: row["title"].partition("\n")[0][:_LONGEST_TITLE] or row["item"] for row in found}

    def _popular(self, k: int, without: list[str], found: Sequence[Found]) -> list[Found]:
        """What is popular lately, to fill a list; the scores go on below those that are there."""
        if k <= 0:
            return []
        types, values = [*self._types, "text[]"], [*self._values, without]
        query = (
            f"SELECT c.item, c.recent FROM {self._of.catalogue} AS c WHERE c.version = {self._of.version}"
            f" AND c.item NOT IN (SELECT unnest(${len(values)})){self._there}"
            f" ORDER BY c.recent DESC, c.number LIMIT {k}"
        )
        rows = self._db.rows(query, types, values)
        most = max((row["recent"] for row in rows), default=0.0) or 1.0
        floor = min(score for _, score, _ in found) - 1.0 if found else 0.0
        return [
            (row["item"], floor + row["recent"] / most if found else row["recent"], "popular lately") for row in rows
        ]

    def _parameter(self, value: Any, type: str) -> str:
        self._types.append(type)
        self._values.append(value)
        return f"${len(self._values)}"
