"""A rule of a graph: as people read it, and as a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm.database.quoting import quote_literal


@dataclass(frozen=True, slots=True)
class Rule:
    """`body` has one or two steps: 2p is predicate p from subject to object, 2p + 1 back. `head` is a predicate."""

    graph: int
    predicates: Sequence[str]
    body: Sequence[int]
    head: int
    support: int
    pairs: int
    begun: int

    @property
    def row(self) -> tuple[Any, ...]:
        """As graph_rules() returns it."""
        path = ["x", "y"] if len(self.body) == 1 else ["x", "z", "y"]
        atoms = [self._atom(step, *path[place : place + 2]) for place, step in enumerate(self.body)]
        head = f"{self.predicates[self.head]}(x, y)"
        return f"{' ∧ '.join(atoms)} ⇒ {head}", atoms, head, self.support, self._confidence, self._pca, self._query

    @property
    def order(self) -> tuple[Any, ...]:
        """Surest first, then what is seen most, then the shorter."""
        names = [self.predicates[step // 2] for step in self.body]
        return -self._confidence, -self.support, len(self.body), self.predicates[self.head], names, list(self.body)

    @property
    def _confidence(self) -> float:
        return self.support / self.pairs

    @property
    def _pca(self) -> float:
        """Of the pairs whose x has the head's predicate at all, as of the others it may be unknown (Galárraga 2013)."""
        return self.support / self.begun

    def _atom(self, step: int, here: str, there: str) -> str:
        ends = (there, here) if step % 2 else (here, there)
        return f"{self.predicates[step // 2]}({ends[0]}, {ends[1]})"

    @property
    def _query(self) -> str:
        """In the form that graph_import() reads; the view is gone through once."""
        names = sorted({self.predicates[number] for number in (self.head, *(step // 2 for step in self.body))})
        head = quote_literal(self.predicates[self.head])
        start, end = _ends("a", self.body[0])
        joined, apart = "", ""
        if len(self.body) == 2:
            middle, (begin, end) = end, _ends("b", self.body[1])
            joined = f" JOIN t AS b ON {begin} = {middle} AND b.predicate = {self._name(1)}"
            apart = f" AND {middle} NOT IN ({start}, {end})"
        return (
            "WITH t AS MATERIALIZED (SELECT subject, predicate, object FROM llm.relation"
            f" WHERE graph = {self.graph} AND predicate IN ({', '.join(map(quote_literal, names))})),"
            " e AS MATERIALIZED (SELECT id, name, type FROM llm.entity"
            f" WHERE graph = {self.graph}),"
            f" n AS (SELECT {start} AS x, {end} AS y FROM t AS a{joined}"
            f" WHERE a.predicate = {self._name(0)} AND {start} <> {end}{apart}"
            f" EXCEPT SELECT subject, object FROM t WHERE predicate = {head})"
            f" SELECT s.name AS subject, s.type AS subject_type, {head} AS predicate, o.name AS object,"
            f" o.type AS object_type, {self._confidence:.6g}::real AS confidence"
            " FROM n JOIN e AS s ON s.id = n.x JOIN e AS o ON o.id = n.y"
        )

    def _name(self, place: int) -> str:
        return str(quote_literal(self.predicates[self.body[place] // 2]))


def _ends(alias: str, step: int) -> tuple[str, str]:
    ends = f"{alias}.subject", f"{alias}.object"
    return ends[::-1] if step % 2 else ends
