"""The queries that a question may mean, the likeliest first."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.ask.grammar import lexicon, linking
from pg_llm.ask.grammar.building import steps
from pg_llm.ask.grammar.building.draft import DONE, Impossible, doubt
from pg_llm.ask.grammar.query import Query, Writer
from pg_llm.ask.grammar.reading import passes
from pg_llm.ask.mention import Linked, Mention, Similar, ValueMatch
from pg_llm.ask.schema import Ref, Schema

_MOST_CHOICES = 150
_SECOND_THOUGHT = 0.3
_MOST_CANDIDATES = 6
_PER_MENTION = 4
# What a value is worth in a table that is not the one spoken of.
_ELSEWHERE = 0.8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A query with its SQL; `cost` is what speaks against it, `linked` says what was understood of the question."""

    sql: str
    query: Query
    cost: float
    linked: Linked

    @property
    def likely(self) -> float:
        """From 0 to 1, how well it fits the question."""
        return math.exp(-self.cost)


def candidates(
    question: str, schema: Schema, values: Sequence[ValueMatch], similar: Similar | None = None
) -> tuple[list[Candidate], list[str], Linked]:
    """Queries with the least against them first; why others could not be made; what was understood."""
    linked = linking.link(question, schema, values, similar)
    for place, mention in enumerate(linked.mentions):
        if mention.kind == "value":
            mention.refs = _value_refs(mention, _owners(linked, place))
    parts = passes.read(linked)
    schema = schema.heard({token.stem for token in linked.tokens})
    writer = Writer(schema)
    found: dict[str, Candidate] = {}
    reasons: dict[str, None] = {}
    least: float | None = None
    spoilt = 0.0
    for against, choice in itertools.islice(_choices(linked.mentions), _MOST_CHOICES):
        try:
            query, cost = steps.build(schema, parts, choice)
        except Impossible as impossible:
            reasons[str(impossible)] = None
            if least is None:
                # What was most likely meant cannot be said in SQL: what can is a second thought.
                least, spoilt = against, _SECOND_THOUGHT
            continue
        least = against if least is None else least
        sql = writer.sql(query)
        if sql is None:
            reasons["the tables cannot be joined"] = None
            continue
        cost = against + cost + spoilt
        if sql not in found or found[sql].cost > cost:
            found[sql] = Candidate(sql, query, cost, linked)
    ranked = sorted(found.values(), key=lambda candidate: candidate.cost)
    return ranked[:_MOST_CANDIDATES], list(reasons), linked


def _owners(linked: Linked, place: int) -> set[int]:
    """The tables whose rows a value is said of: customers from Bonn, the users who live in Ulm."""
    before = linked.mentions[place - 1] if place else None
    if before is None or before.kind != "element" or before.role:
        return set()
    passed = linked.tokens[before.end : linked.mentions[place].start]
    if not 0 < len(passed) <= 4 or any(token.kind != "word" or token.stem not in lexicon.EMPTY for token in passed):
        return set()
    if {"and", "or"} & {token.stem for token in passed}:
        return set()
    return {ref[0] for ref, score in before.refs if ref[1] < 0 and score >= before.score - 0.05}


def _value_refs(mention: Mention, owners: set[int]) -> list[tuple[Ref, float]]:
    refs: dict[Ref, float] = {}
    for value in mention.values:
        refs[value.ref] = max(refs.get(value.ref, 0.0), value.sure * (1.0 if value.whole else 0.85))
    if any(ref[0] in owners for ref in refs):
        refs = {ref: score * (1.0 if ref[0] in owners else _ELSEWHERE) for ref, score in refs.items()}
    return sorted(refs.items(), key=lambda pair: -pair[1])


def _choices(mentions: Sequence[Mention]) -> Iterator[tuple[float, dict[int, Ref]]]:
    """What the mentions may mean together, the likeliest first, and what speaks against it."""
    open_ = [mention for mention in mentions if mention.refs]
    lists = [mention.refs[: 1 if mention.role == "verb" else _PER_MENTION] for mention in open_]
    first = tuple(0 for _ in lists)

    def cost(places: tuple[int, ...]) -> float:
        # A word that comes twice is doubted once.
        against: dict[tuple[str, Ref], float] = {}
        for mention, its, place in zip(open_, lists, places, strict=True):
            ref = its[place][0]
            against[mention.said.lower(), ref] = DONE if mention.role == "done" else doubt(mention, ref)
        return sum(against.values())

    queue = [(cost(first), first)]
    seen = {first}
    while queue:
        against, places = heapq.heappop(queue)
        yield (
            against,
            {mention.start: lists[n][place][0] for n, (mention, place) in enumerate(zip(open_, places, strict=True))},
        )
        for n, place in enumerate(places):
            if place + 1 < len(lists[n]):
                following = (*places[:n], place + 1, *places[n + 1 :])
                if following not in seen:
                    seen.add(following)
                    heapq.heappush(queue, (cost(following), following))
