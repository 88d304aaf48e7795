"""Semantic parsing: enumerate interpretations of a question best first and build a query from each."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pg_llm.ask.grammar import lexicon, linking
from pg_llm.ask.grammar.accounting import Account
from pg_llm.ask.grammar.building import steps
from pg_llm.ask.grammar.building.draft import VERB_PENALTY, Impossible, ambiguity_cost
from pg_llm.ask.grammar.query import Query, SqlWriter
from pg_llm.ask.grammar.reading import parser
from pg_llm.ask.mention import LinkedQuestion, Mention, NameMatcher, ValueMatch
from pg_llm.ask.schema import Ref, Schema

_MOST_INTERPRETATIONS = 150
_FALLBACK_COST = 0.3
# The cost of a word that is not accounted for: below the threshold by itself.
_UNACCOUNTED_COST = 0.7
_MOST_CANDIDATES = 6
_MOST_PER_MENTION = 4
# The weight of a value in a table other than the one that is named beside it.
_OTHER_TABLE_WEIGHT = 0.8


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query with its SQL, its cost (lower is better), the linked question, and what its mentions were taken for."""

    sql: str
    query: Query
    cost: float
    linked: LinkedQuestion
    interpretation: dict[int, Ref]

    @property
    def score(self) -> float:
        """How well the query fits the question, from 0 to 1."""
        return math.exp(-self.cost)


def candidates(
    question: str, schema: Schema, values: Sequence[ValueMatch], similar: NameMatcher | None = None
) -> tuple[list[ParsedQuery], list[str], LinkedQuestion]:
    """The queries of a question that is not linked yet, as `interpret` gives them."""
    return interpret(linking.link(question, schema, values, similar), schema)


def interpret(linked: LinkedQuestion, schema: Schema) -> tuple[list[ParsedQuery], list[str], LinkedQuestion]:
    """The cheapest queries first, the reasons why other interpretations failed, and the question as they read it."""
    # The passes narrow down what mentions refer to.
    linked = replace(linked, mentions=[replace(mention, refs=[*mention.refs]) for mention in linked.mentions])
    for index, mention in enumerate(linked.mentions):
        if mention.kind == "value":
            mention.refs = _ranked_value_columns(mention, _owner_tables(linked, index))
    parsed = parser.parse(linked)
    schema = schema.with_question_stems({token.stem for token in linked.tokens})
    writer = SqlWriter(schema)
    queries: dict[str, ParsedQuery] = {}
    reasons: dict[str, None] = {}
    least: float | None = None
    extra_cost = 0.0
    for ambiguity, interpretation in itertools.islice(_interpretations(linked.mentions), _MOST_INTERPRETATIONS):
        try:
            query, cost = steps.build(schema, parsed, interpretation)
        except Impossible as impossible:
            reasons[str(impossible)] = None
            if least is None:
                # The best interpretation cannot be expressed; all others become less likely.
                least, extra_cost = ambiguity, _FALLBACK_COST
            continue
        least = ambiguity if least is None else least
        sql = writer.sql(query)
        if sql is None:
            reasons["the tables cannot be joined"] = None
            continue
        cost += _accounting_cost(schema, query, writer, linked, interpretation)
        cost = ambiguity + cost + extra_cost
        if sql not in queries or queries[sql].cost > cost:
            queries[sql] = ParsedQuery(sql, query, cost, linked, interpretation)
    ranked = sorted(queries.values(), key=lambda candidate: candidate.cost)
    return ranked[:_MOST_CANDIDATES], list(reasons), linked


def _accounting_cost(
    schema: Schema, query: Query, writer: SqlWriter, linked: LinkedQuestion, interpretation: dict[int, Ref]
) -> float:
    """The cost of words that nothing in the query comes from, and of what in it comes from no word."""
    joins = writer.join_edges(query)
    account = Account(schema, query, joins[0] if joins else ())
    return _UNACCOUNTED_COST * len([*account.unaccounted(linked, interpretation), *account.unasked(linked)])


def _owner_tables(linked: LinkedQuestion, index: int) -> set[int]:
    """Tables named right before a value, whose rows it describes: customers from Bonn, users who live in Ulm."""
    before = linked.mentions[index - 1] if index else None
    if before is None or before.kind != "element" or before.role:
        return set()
    passed = linked.tokens[before.end : linked.mentions[index].start]
    if not 0 < len(passed) <= 4 or any(token.kind != "word" or token.stem not in lexicon.STOPWORDS for token in passed):
        return set()
    if {"and", "or"} & {token.stem for token in passed}:
        return set()
    return {ref[0] for ref, score in before.refs if ref[1] < 0 and score >= before.score - 0.05}


def _ranked_value_columns(mention: Mention, owners: set[int]) -> list[tuple[Ref, float]]:
    refs: dict[Ref, float] = {}
    for value in mention.value_matches:
        refs[value.ref] = max(refs.get(value.ref, 0.0), value.confidence * (1.0 if value.whole else 0.85))
    if any(ref[0] in owners for ref in refs):
        refs = {ref: score * (1.0 if ref[0] in owners else _OTHER_TABLE_WEIGHT) for ref, score in refs.items()}
    return sorted(refs.items(), key=lambda pair: -pair[1])


def _interpretations(mentions: Sequence[Mention]) -> Iterator[tuple[float, dict[int, Ref]]]:
    """Assignments of one candidate to each mention, in order of total ambiguity cost (uniform-cost search)."""
    ambiguous = [mention for mention in mentions if mention.refs]
    lists = [mention.refs[: 1 if mention.role == "verb" else _MOST_PER_MENTION] for mention in ambiguous]
    first = tuple(0 for _ in lists)

    def cost(indexes: tuple[int, ...]) -> float:
        # A repeated word adds its cost once.
        costs: dict[tuple[str, Ref], float] = {}
        for mention, options, index in zip(ambiguous, lists, indexes, strict=True):
            ref = options[index][0]
            costs[mention.normalized.lower(), ref] = (
                VERB_PENALTY if mention.role == "done" else ambiguity_cost(mention, ref)
            )
        return sum(costs.values())

    queue = [(cost(first), first)]
    seen = {first}
    while queue:
        costs, indexes = heapq.heappop(queue)
        chosen = zip(ambiguous, lists, indexes, strict=True)
        yield costs, {mention.start: options[index][0] for mention, options, index in chosen}
        for n, index in enumerate(indexes):
            if index + 1 < len(lists[n]):
                following = (*indexes[:n], index + 1, *indexes[n + 1 :])
                if following not in seen:
                    seen.add(following)
                    heapq.heappush(queue, (cost(following), following))
