"""Horn rules that hold in a graph, as AMIE mines them (Galárraga and others 2013): as text and as a query.

A rule's body is a path of one or two steps from x to y, its head a predicate between x and y.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import protocol
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_literal
from pg_llm.graph import registry


def mine_rules(db: Connection, name: str | None, min_confidence: float, min_support: int) -> list[tuple[Any, ...]]:
    """The rules of a graph with at least this confidence and support, surest first, in the form of graph_rules()."""
    graph = registry.find(db, name)
    entities: dict[int, int] = {}
    predicates: dict[str, int] = {}
    triples = [
        [
            entities.setdefault(row["subject"], len(entities)),
            predicates.setdefault(row["predicate"], len(predicates)),
            entities.setdefault(row["object"], len(entities)),
        ]
        for row in db.stream(
            "SELECT subject, predicate, object FROM llm.relation WHERE graph = $1", ("int4",), (graph["id"],)
        )
    ]
    (result,) = models.run_without_model(
        db, "graph_rules", [protocol.dumps(triples)], min_support=min_support, min_confidence=min_confidence
    )
    mined = json.loads(result)
    if mined["passed_over"]:
        db.notice(
            f"{mined['passed_over']} pairs of predicates have too many paths and were passed over",
            hint="Such a path leads through an entity that very many relations share.",
        )
    names = list(predicates)
    rules = [HornRule(graph["id"], names, *fields) for fields in mined["rules"]]
    return [rule.row for rule in sorted(rules, key=lambda rule: rule.sort_key)]


@dataclass(frozen=True, slots=True)
class HornRule:
    """A rule of a graph; step 2p of its body follows predicate p from subject to object, step 2p + 1 backwards.

    `support` counts the pairs of body and head, `body_pairs` those of the body, and `pca_pairs` those of the body whose
    x has an object under the head's predicate.
    """

    graph: int
    predicates: Sequence[str]
    body: Sequence[int]
    head: int
    support: int
    body_pairs: int
    pca_pairs: int

    @property
    def row(self) -> tuple[Any, ...]:
        """The rule as graph_rules() returns it."""
        variables = ["x", "y"] if len(self.body) == 1 else ["x", "z", "y"]
        atoms = [self._atom(step, *variables[place : place + 2]) for place, step in enumerate(self.body)]
        head = f"{self.predicates[self.head]}(x, y)"
        text = f"{' ∧ '.join(atoms)} ⇒ {head}"
        return text, atoms, head, self.support, self.confidence, self.pca_confidence, self.query

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """By confidence, then by support, then the shorter body first."""
        names = [self.predicates[step // 2] for step in self.body]
        return -self.confidence, -self.support, len(self.body), self.predicates[self.head], names, list(self.body)

    @property
    def confidence(self) -> float:
        """The share of the body's pairs that the head holds for."""
        return self.support / self.body_pairs

    @property
    def pca_confidence(self) -> float:
        """The confidence under the partial completeness assumption: an x without any object may just be unknown."""
        return self.support / self.pca_pairs

    @property
    def query(self) -> str:
        """A query for the relations that the rule adds, in the form that graph_import() reads."""
        names = sorted({self.predicates[number] for number in (self.head, *(step // 2 for step in self.body))})
        head = quote_literal(self.predicates[self.head])
        start, end = _columns("a", self.body[0])
        join, distinct = "", ""
        if len(self.body) == 2:
            middle, (begin, end) = end, _columns("b", self.body[1])
            join = f" JOIN t AS b ON {begin} = {middle} AND b.predicate = {self._quoted_predicate(1)}"
            distinct = f" AND {middle} NOT IN ({start}, {end})"
        # MATERIALIZED: the view is scanned once.
        return (
            "WITH t AS MATERIALIZED (SELECT subject, predicate, object FROM llm.relation"
            f" WHERE graph = {self.graph} AND predicate IN ({', '.join(map(quote_literal, names))})),"
            " e AS MATERIALIZED (SELECT id, name, type FROM llm.entity"
            f" WHERE graph = {self.graph}),"
            f" n AS (SELECT {start} AS x, {end} AS y FROM t AS a{join}"
            f" WHERE a.predicate = {self._quoted_predicate(0)} AND {start} <> {end}{distinct}"
            f" EXCEPT SELECT subject, object FROM t WHERE predicate = {head})"
            f" SELECT s.name AS subject, s.type AS subject_type, {head} AS predicate, o.name AS object,"
            f" o.type AS object_type, {self.confidence:.6g}::real AS confidence"
            " FROM n JOIN e AS s ON s.id = n.x JOIN e AS o ON o.id = n.y"
        )

    def _atom(self, step: int, here: str, there: str) -> str:
        subject, object_ = (there, here) if step % 2 else (here, there)
        return f"{self.predicates[step // 2]}({subject}, {object_})"

    def _quoted_predicate(self, place: int) -> str:
        return str(quote_literal(self.predicates[self.body[place] // 2]))


def _columns(alias: str, step: int) -> tuple[str, str]:
    """The columns at the start and at the end of a step."""
    columns = f"{alias}.subject", f"{alias}.object"
    return columns[::-1] if step % 2 else columns
