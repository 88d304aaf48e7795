"""Which entities of a graph are one thing: candidates, comparison, groups, and again with what these then share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from pg_llm.cleaning.detectors import duplicates
from pg_llm.cleaning.detectors.distance import edits
from pg_llm.graph.resolution import attribute_evidence, clustering, name_similarity
from pg_llm.graph.resolution.attribute_evidence import Agreement, Facts, Triple, Weights
from pg_llm.graph.resolution.name_similarity import Likeness, Names

Pair = tuple[int, int]
# What is shared once more after others were merged is looked at so many times.
_ROUNDS = 4
# No facts outweigh names that are so unlike.
_HOPELESS = -9.0
# Of hopeless pairs so many are kept: they show how often two things agree by chance.
_BY_CHANCE = 4000
_MOST_NAMES = 5
_NUMBER = 6


@dataclass(frozen=True, slots=True)
class Member:
    """A name as it was read: its entity's number, and that of the entity that stands for it."""

    id: int
    type: str
    name: str
    standing: int


@dataclass(slots=True)
class Joined:
    """Entities that are one thing, each with how sure that is and why."""

    entities: set[int]
    why: dict[int, tuple[float, str]] = field(default_factory=dict)


class Matching:
    """One graph: its names, what is said of them, and how near their meanings are.

    `near` are pairs of numbers with the cosine of their vectors, `cosines` gives those of other pairs, `apart` are
    pairs that a person has parted, `pulse` is called now and then.
    """

    def __init__(
        self,
        members: Sequence[Member],
        triples: Sequence[Triple],
        functional: Collection[str],
        near: Mapping[Pair, float],
        cosines: Callable[[Sequence[Pair]], Mapping[Pair, float]],
        apart: Iterable[Pair],
        pulse: Callable[[], None] = lambda: None,
    ) -> None:
        self._members = {member.id: member for member in members}
        self._standing = {member.id: member.standing for member in members}
        self._read = triples
        self._functional = frozenset(functional)
        self._cosine = dict(near)
        self._cosines = cosines
        self._apart = {_pair(*pair) for pair in apart}
        self._pulse = pulse
        self._of_type: defaultdict[str, list[Member]] = defaultdict(list)
        for member in members:
            self._of_type[member.type].append(member)
        self._place = {member.id: place for its in self._of_type.values() for place, member in enumerate(its)}
        self._names = {type_: Names([member.name for member in its]) for type_, its in self._of_type.items()}
        self._odds: dict[Pair, float] = {}

    def find(self, least: float) -> list[Joined]:
        """What is one thing with at least this probability."""
        joined: dict[int, Joined] = {}
        by_type: dict[str, list[Pair]] = {}
        by_chance: dict[str, list[Pair]] = {}
        for _ in range(_ROUNDS):
            said = self._facts()
            if not by_type:
                for type_ in self._of_type:
                    by_type[type_], by_chance[type_] = self._candidates(type_, said)
            events = [
                event
                for type_ in self._of_type
                for event in self._round(type_, said, by_type[type_], by_chance[type_], least)
            ]
            if not events:
                break
            moved: dict[int, int] = {}
            for one, other, score, reason in events:
                both = [joined.pop(entity) if entity in joined else Joined({entity}) for entity in (one, other)]
                for part in both:
                    for entity in part.entities:
                        part.why.setdefault(entity, (score, reason))
                joined[one] = Joined(both[0].entities | both[1].entities, both[0].why | both[1].why)
                moved[other] = one
            for member, standing in self._standing.items():
                while standing in moved:
                    standing = moved[standing]
                self._standing[member] = standing
        return list(joined.values())

    def _facts(self) -> Facts:
        standing = self._standing
        triples = {(standing[s], predicate, standing[o]) for s, predicate, o in self._read}
        return Facts(triples, self._values_alike, self._functional)

    def _values_alike(self, one: int, other: int) -> float:
        """How alike two values are as text; 0 for values of two types."""
        left, right = self._members[one], self._members[other]
        if left.type != right.type:
            return 0.0
        of = self._names[left.type]
        found = of.likeness(self._place[one], self._place[other])
        if found.acronym:
            return attribute_evidence.CLOSE_VALUE
        if not found.numbers:
            return found.shared - found.instead / 2
        a, b = (of[self._place[number]].joined for number in (one, other))
        # Long numbers are mistyped; in short ones another digit is another number.
        slip = a.isdigit() and b.isdigit() and min(len(a), len(b)) >= _NUMBER and edits(a, b, 1) <= 1
        return attribute_evidence.NEAR_VALUE if slip else 0.0

    def _candidates(self, type_: str, said: Facts) -> tuple[list[Pair], list[Pair]]:
        """Pairs of members that may be one thing, and some that look alike in nothing but what is said of them."""
        its = self._of_type[type_]
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for member in its:
            groups[self._standing[member.id]].append(member.id)
        found = {pair for pair in self._cosine if pair[0] in self._place and self._same_type(type_, pair)}
        order = list(groups)
        for a, b in duplicates.candidates(self._columns(order, groups, said), self._pulse):
            one, other = (groups[order[place]][:_MOST_NAMES] for place in (a, b))
            found.update(_pair(*pair) for pair in product(one, other))
        found.update(self._short(its))
        likely, by_chance = [], []
        for number, pair in enumerate(sorted(found)):
            if not number % 1000:
                self._pulse()
            if self._standing[pair[0]] == self._standing[pair[1]]:
                continue
            likeness = self._compared(type_, pair)
            if name_similarity.evidence(likeness, self._cosine.get(pair, 1.0)) > _HOPELESS:
                likely.append(pair)
            else:
                by_chance.append(pair)
        lacking = [pair for pair in likely if pair not in self._cosine]
        self._cosine.update(self._cosines(lacking))
        for pair in likely:
            self._odds[pair] = name_similarity.evidence(self._compared(type_, pair), self._cosine.get(pair))
        return likely, by_chance[:: len(by_chance) // _BY_CHANCE + 1]

    def _same_type(self, type_: str, pair: Pair) -> bool:
        return self._members[pair[0]].type == type_ == self._members[pair[1]].type

    def _columns(self, order: Sequence[int], groups: Mapping[int, list[int]], said: Facts) -> Iterator[list[str]]:
        """The names of entities, and of what they are related to from each side, one text each."""
        yield [" ".join(self._members[number].name for number in groups[entity][:_MOST_NAMES]) for entity in order]
        sides = sorted({side for entity in order for side in said.values.get(entity, ())})
        for side in sides:
            if not said.several(side):
                yield [
                    " ".join(self._members[value].name for value in sorted(said.of(entity, side))) for entity in order
                ]

    def _short(self, its: Sequence[Member]) -> Iterator[Pair]:
        """Names in capitals and those whose initials they are."""
        of = self._names[its[0].type]
        long: defaultdict[str, list[int]] = defaultdict(list)
        for place, member in enumerate(its):
            for letters in of[place].initials:
                long[letters].append(member.id)
        for place, member in enumerate(its):
            if of[place].short:
                for other in long[of[place].joined][: duplicates.MOST_ROWS]:
                    yield _pair(member.id, other)

    def _round(
        self, type_: str, said: Facts, likely: Sequence[Pair], by_chance: Sequence[Pair], least: float
    ) -> list[tuple[int, int, float, str]]:
        """Which entities join, the smaller number first, with score and reason."""
        agreements: dict[Pair, list[Agreement]] = {}

        def agreed(pair: Pair) -> list[Agreement]:
            standing = _pair(*(self._standing[number] for number in pair))
            if standing not in agreements:
                if not len(agreements) % 1000:
                    self._pulse()
                agreements[standing] = said.agreements(*standing)
            return agreements[standing]

        open_ = [pair for pair in likely if self._standing[pair[0]] != self._standing[pair[1]]]
        if not open_:
            return []
        self._pulse()
        shown = [(self._odds[pair], agreed(pair)) for pair in open_]
        weights = Weights(said, shown + [(_HOPELESS, agreed(pair)) for pair in by_chance])
        scores: dict[Pair, float] = {}

        def score(a: int, b: int) -> float:
            pair = _pair(a, b)
            if pair not in scores:
                standing = (self._standing[a], self._standing[b])
                odds = self._names_odds(type_, pair) + attribute_evidence.evidence(
                    said, weights, *standing, agreed(pair)
                )
                scores[pair] = attribute_evidence.probability(odds)
            return scores[pair]

        pairs = [(value, *pair) for pair in open_ if (value := score(*pair)) >= least]
        groups = {member.id: self._standing[member.id] for member in self._of_type[type_]}
        return [
            (one, other, found, "; ".join([_told(self._compared(type_, pair)), *attribute_evidence.told(agreed(pair))]))
            for one, other, found, pair in clustering.joined(groups, pairs, score, self._apart, least)
        ]

    def _names_odds(self, type_: str, pair: Pair) -> float:
        if pair not in self._odds:
            if pair not in self._cosine:
                self._cosine.update(self._cosines([pair]))
            self._odds[pair] = name_similarity.evidence(self._compared(type_, pair), self._cosine.get(pair))
        return self._odds[pair]

    def _compared(self, type_: str, pair: Pair) -> Likeness:
        return self._names[type_].likeness(self._place[pair[0]], self._place[pair[1]])


def _told(found: Likeness) -> str:
    if found.same:
        return "same words"
    return "initials" if found.acronym else f"names {found.shared:.0%} alike"


def _pair(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)
