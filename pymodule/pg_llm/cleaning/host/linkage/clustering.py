"""Clusters of pairs that match: connected components, split where members contradict one another.

Within a component the groups that match best are joined first, as long as the log odds of all pairs between two groups
are for a match on average (average linkage): A and C that differ stay apart although both are like B. Where a field
tells related rows from matches, those of the groups' merged records count as much, which agree in a field where any of
their pairs does: a person who moved is joined with both rows of the time before, of which only one says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import combinations

Edge = tuple[float, int, int]
Groups = tuple[list[int], list[int]]
# No pair counts more for or against a join.
_MAX_LOG_ODDS = 8.0


class DisjointSets:
    """Sets of numbers that are joined (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def find(self, member: int) -> int:
        """The representative of a member's set."""
        root = member
        while (parent := self._parents.get(root, root)) != root:
            root = parent
        while (parent := self._parents.get(member, member)) != root:
            self._parents[member] = root
            member = parent
        return root

    def join(self, one: int, other: int) -> None:
        """Make the sets of two members one."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parents[second] = first


def components(edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The members of each connected component, in order."""
    sets = DisjointSets()
    members: dict[int, None] = {}
    for one, other in edges:
        sets.join(one, other)
        members[one] = members[other] = None
    found: defaultdict[int, list[int]] = defaultdict(list)
    for member in sorted(members):
        found[sets.find(member)].append(member)
    return list(found.values())


def agglomerate(
    components: Iterable[Sequence[int]],
    log_odds: Mapping[tuple[int, int], float],
    least: float,
    merged: Callable[[Sequence[Groups]], Sequence[float]] | None = None,
) -> list[list[int]]:
    """The groups of each component; joins begin with pairs of at least `least`.

    `log_odds` has all pairs of a component, the smaller first; `merged`, if it is to count, gives those of two
    groups' merged records, for many such at once.
    """
    found: list[list[int]] = []
    running = [_joins(members, log_odds, least, merged is not None) for members in components]
    answers: Sequence[float | None] = [None] * len(running)
    while running:
        asked, going = [], []
        for each, answer in zip(running, answers, strict=True):
            try:
                # A generator that has not begun is sent None.
                asked.append(each.send(answer))  # type: ignore[arg-type]
                going.append(each)
            except StopIteration as end:
                found += end.value
        running, answers = going, merged(asked) if merged else []
    return found


def _joins(
    members: Sequence[int], log_odds: Mapping[tuple[int, int], float], least: float, merging: bool
) -> Generator[Groups, float, list[list[int]]]:
    """The groups of one component; yields two groups and is sent the log odds of their merged records."""
    group_of = {member: member for member in members}
    groups = {member: [member] for member in members}
    among = ((log_odds[pair], *pair) for pair in combinations(members, 2))
    for _, one, other in sorted((edge for edge in among if edge[0] >= least), key=_descending):
        first, second = sorted((group_of[one], group_of[other]))
        if first == second:
            continue
        across = [log_odds[min(a, b), max(a, b)] for a in groups[first] for b in groups[second]]
        evidence = sum(map(_clipped, across)) / len(across)
        if merging and len(across) > 1:
            evidence = (evidence + _clipped((yield groups[first], groups[second]))) / 2
        if evidence >= min(least, 0.0):
            for member in groups[second]:
                group_of[member] = first
            groups[first] += groups.pop(second)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def _clipped(odds: float) -> float:
    return max(min(odds, _MAX_LOG_ODDS), -_MAX_LOG_ODDS)


def weakest_links(members: Sequence[int], log_odds: Mapping[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """For each pair of a cluster the weakest link of the best path between them (single linkage)."""
    groups = {member: [member] for member in members}
    found: dict[tuple[int, int], float] = {}
    for odds, one, other in sorted(((log_odds[pair], *pair) for pair in combinations(members, 2)), key=_descending):
        first, second = groups[one], groups[other]
        if first is not second:
            found.update({(min(a, b), max(a, b)): odds for a in first for b in second})
            first += second
            groups.update(dict.fromkeys(second, first))
    return found


_descending: Callable[[Edge], tuple[float, int, int]] = lambda edge: (-edge[0], edge[1], edge[2])  # noqa: E731
