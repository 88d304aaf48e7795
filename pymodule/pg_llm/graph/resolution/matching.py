"""Collective entity resolution (Bhattacharya and Getoor 2007): blocking, comparison and clustering, repeated.

Entities that were merged make others agree in a relation, so the steps are repeated with the merged entities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from pg_llm.cleaning.distance import edit_distance
from pg_llm.graph.resolution import attribute_evidence, blocking, clustering, name_similarity
from pg_llm.graph.resolution.attribute_evidence import Agreement, AgreementWeights, RelationIndex, Triple
from pg_llm.graph.resolution.name_similarity import NameCollection, NameComparison

Pair = tuple[int, int]
_MAX_ROUNDS = 4
# Log odds of names that no relations outweigh.
_HOPELESS = -9.0
# Pairs with hopeless names that are kept as non-matches, to estimate how often two entities agree by chance.
_MAX_NON_MATCHES = 4000
_MAX_NAMES = 5
# Digits from which a number may contain a typing error.
_LONG_NUMBER = 6


@dataclass(frozen=True, slots=True)
class Member:
    """An entity as it was extracted; `standing` is the entity that represents it."""

    id: int
    type: str
    name: str
    standing: int


@dataclass(slots=True)
class Cluster:
    """Entities that match, and for each of them the probability and the reason of its join."""

    entities: set[int]
    reasons: dict[int, tuple[float, str]] = field(default_factory=dict)


class EntityMatcher:
    """Matches the entities of one graph.

    `neighbors` are pairs of members with the cosine of their vectors, `cosines` computes those of other pairs,
    `cannot_link` are pairs that a person has unmerged, `poll` is called now and then.
    """

    def __init__(
        self,
        members: Sequence[Member],
        triples: Sequence[Triple],
        functional: Collection[str],
        neighbors: Mapping[Pair, float],
        cosines: Callable[[Sequence[Pair]], Mapping[Pair, float]],
        cannot_link: Iterable[Pair],
        poll: Callable[[], None] = lambda: None,
    ) -> None:
        self._members = {member.id: member for member in members}
        self._standing = {member.id: member.standing for member in members}
        self._triples = triples
        self._functional = frozenset(functional)
        self._cosine = dict(neighbors)
        self._compute_cosines = cosines
        self._cannot_link = {_pair(*pair) for pair in cannot_link}
        self._poll = poll
        self._of_type: defaultdict[str, list[Member]] = defaultdict(list)
        for member in members:
            self._of_type[member.type].append(member)
        self._position = {
            member.id: position for of_type in self._of_type.values() for position, member in enumerate(of_type)
        }
        self._names = {
            type_: NameCollection([member.name for member in of_type]) for type_, of_type in self._of_type.items()
        }
        self._name_log_odds: dict[Pair, float] = {}

    def match(self, threshold: float) -> list[Cluster]:
        """The clusters of entities that match with at least this probability."""
        clusters: dict[int, Cluster] = {}
        candidates: dict[str, list[Pair]] = {}
        non_matches: dict[str, list[Pair]] = {}
        for _ in range(_MAX_ROUNDS):
            index = self._relation_index()
            if not candidates:
                for type_ in self._of_type:
                    candidates[type_], non_matches[type_] = self._block(type_, index)
            joins = [
                join
                for type_ in self._of_type
                for join in self._cluster(type_, index, candidates[type_], non_matches[type_], threshold)
            ]
            if not joins:
                break
            moved: dict[int, int] = {}
            for one, other, score, reason in joins:
                both = [clusters.pop(entity) if entity in clusters else Cluster({entity}) for entity in (one, other)]
                for cluster in both:
                    for entity in cluster.entities:
                        cluster.reasons.setdefault(entity, (score, reason))
                clusters[one] = Cluster(both[0].entities | both[1].entities, both[0].reasons | both[1].reasons)
                moved[other] = one
            for member, standing in self._standing.items():
                while standing in moved:
                    standing = moved[standing]
                self._standing[member] = standing
        return list(clusters.values())

    def _relation_index(self) -> RelationIndex:
        """The relations between the entities that represent the members at present."""
        standing = self._standing
        triples = {(standing[s], predicate, standing[o]) for s, predicate, o in self._triples}
        return RelationIndex(triples, self._value_similarity, self._functional)

    def _value_similarity(self, one: int, other: int) -> float:
        """The similarity of the names of two values; 0 for values of two types."""
        left, right = self._members[one], self._members[other]
        if left.type != right.type:
            return 0.0
        names = self._names[left.type]
        comparison = names.compare(self._position[one], self._position[other])
        if comparison.acronym:
            return attribute_evidence.CLOSE_VALUE
        if not comparison.numbers_differ:
            return comparison.shared - comparison.replaced / 2
        a, b = (names[self._position[number]].joined for number in (one, other))
        # One wrong digit in a long number is a typing error; a short number with another digit is another number.
        typo = a.isdigit() and b.isdigit() and min(len(a), len(b)) >= _LONG_NUMBER and edit_distance(a, b, 1) <= 1
        return attribute_evidence.NEAR_VALUE if typo else 0.0

    def _block(self, type_: str, index: RelationIndex) -> tuple[list[Pair], list[Pair]]:
        """Pairs of members that may match, and some whose names are too different, which serve as non-matches."""
        members = self._of_type[type_]
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for member in members:
            groups[self._standing[member.id]].append(member.id)
        pairs = {pair for pair in self._cosine if pair[0] in self._position and self._same_type(type_, pair)}
        order = list(groups)
        for a, b in blocking.candidate_pairs(self._blocking_columns(order, groups, index), self._poll):
            one, other = (groups[order[position]][:_MAX_NAMES] for position in (a, b))
            pairs.update(_pair(*pair) for pair in product(one, other))
        pairs.update(self._acronyms(members))
        candidates, non_matches = [], []
        for number, pair in enumerate(sorted(pairs)):
            if not number % 1000:
                self._poll()
            if self._standing[pair[0]] == self._standing[pair[1]]:
                continue
            comparison = self._compare(type_, pair)
            if name_similarity.log_odds(comparison, self._cosine.get(pair, 1.0)) > _HOPELESS:
                candidates.append(pair)
            else:
                non_matches.append(pair)
        self._cosine.update(self._compute_cosines([pair for pair in candidates if pair not in self._cosine]))
        for pair in candidates:
            self._name_log_odds[pair] = name_similarity.log_odds(self._compare(type_, pair), self._cosine.get(pair))
        return candidates, non_matches[:: len(non_matches) // _MAX_NON_MATCHES + 1]

    def _same_type(self, type_: str, pair: Pair) -> bool:
        return self._members[pair[0]].type == type_ == self._members[pair[1]].type

    def _blocking_columns(
        self, order: Sequence[int], groups: Mapping[int, list[int]], index: RelationIndex
    ) -> Iterator[list[str]]:
        """Texts by which entities are blocked: their names, and on each side the names of their values."""
        yield [" ".join(self._members[number].name for number in groups[entity][:_MAX_NAMES]) for entity in order]
        sides = sorted({side for entity in order for side in index.values.get(entity, ())})
        for side in sides:
            if not index.is_multivalued(side):
                yield [
                    " ".join(self._members[value].name for value in sorted(index.values_of(entity, side)))
                    for entity in order
                ]

    def _acronyms(self, members: Sequence[Member]) -> Iterator[Pair]:
        """Pairs of an acronym and a name with these initials."""
        names = self._names[members[0].type]
        by_initials: defaultdict[str, list[int]] = defaultdict(list)
        for position, member in enumerate(members):
            for letters in names[position].initials:
                by_initials[letters].append(member.id)
        for position, member in enumerate(members):
            if names[position].is_acronym:
                for other in by_initials[names[position].joined][: blocking.MAX_BLOCK_SIZE]:
                    yield _pair(member.id, other)

    def _cluster(
        self,
        type_: str,
        index: RelationIndex,
        candidates: Sequence[Pair],
        non_matches: Sequence[Pair],
        threshold: float,
    ) -> list[tuple[int, int, float, str]]:
        """The pairs of entities that join, the smaller id first, with probability and reason."""
        agreements: dict[Pair, list[Agreement]] = {}

        def agreement(pair: Pair) -> list[Agreement]:
            standing = _pair(*(self._standing[number] for number in pair))
            if standing not in agreements:
                if not len(agreements) % 1000:
                    self._poll()
                agreements[standing] = index.agreements(*standing)
            return agreements[standing]

        undecided = [pair for pair in candidates if self._standing[pair[0]] != self._standing[pair[1]]]
        if not undecided:
            return []
        self._poll()
        pairs = [(self._name_log_odds[pair], agreement(pair)) for pair in undecided]
        weights = AgreementWeights(index, pairs + [(_HOPELESS, agreement(pair)) for pair in non_matches])
        scores: dict[Pair, float] = {}

        def score(a: int, b: int) -> float:
            pair = _pair(a, b)
            if pair not in scores:
                standing = (self._standing[a], self._standing[b])
                log_odds = self._log_odds_of_names(type_, pair) + attribute_evidence.log_odds(
                    index, weights, *standing, agreement(pair)
                )
                scores[pair] = attribute_evidence.probability(log_odds)
            return scores[pair]

        scored = [(value, *pair) for pair in undecided if (value := score(*pair)) >= threshold]
        groups = {member.id: self._standing[member.id] for member in self._of_type[type_]}
        return [
            (
                one,
                other,
                mean,
                "; ".join([_describe(self._compare(type_, pair)), *attribute_evidence.describe(agreement(pair))]),
            )
            for one, other, mean, pair in clustering.agglomerate(groups, scored, score, self._cannot_link, threshold)
        ]

    def _log_odds_of_names(self, type_: str, pair: Pair) -> float:
        if pair not in self._name_log_odds:
            if pair not in self._cosine:
                self._cosine.update(self._compute_cosines([pair]))
            self._name_log_odds[pair] = name_similarity.log_odds(self._compare(type_, pair), self._cosine.get(pair))
        return self._name_log_odds[pair]

    def _compare(self, type_: str, pair: Pair) -> NameComparison:
        return self._names[type_].compare(self._position[pair[0]], self._position[pair[1]])


def _describe(comparison: NameComparison) -> str:
    if comparison.equal:
        return "same words"
    return "initials" if comparison.acronym else f"names {comparison.shared:.0%} alike"


def _pair(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)
