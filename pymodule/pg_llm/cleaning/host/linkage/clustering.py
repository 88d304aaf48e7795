"""Clusters of pairs that match: connected components, split where members contradict one another.

Within a component the groups that match best are joined first, as long as the log odds of all pairs between two groups
are for a match on average (average linkage): A and C that differ stay apart although both are like B.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

Edge = tuple[float, int, int]
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


def agglomerate(members: Sequence[int], log_odds: Mapping[tuple[int, int], float], least: float) -> list[list[int]]:
    """Groups of members; `log_odds` has all pairs, the smaller first. Joins begin with pairs of at least `least`."""
    group_of = {member: member for member in members}
    groups = {member: [member] for member in members}
    edges = sorted(((odds, *pair) for pair, odds in log_odds.items() if odds >= least), key=_descending)
    for _, one, other in edges:
        first, second = sorted((group_of[one], group_of[other]))
        if first == second:
            continue
        across = [log_odds[min(a, b), max(a, b)] for a in groups[first] for b in groups[second]]
        if sum(max(min(odds, _MAX_LOG_ODDS), -_MAX_LOG_ODDS) for odds in across) >= min(least, 0.0) * len(across):
            for member in groups[second]:
                group_of[member] = first
            groups[first] += groups.pop(second)
    return [sorted(group) for group in groups.values() if len(group) > 1]


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
