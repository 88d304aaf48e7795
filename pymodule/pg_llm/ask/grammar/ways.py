"""The cheapest edges that join all the tables that a question needs, found for all of them at once."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# Beyond so many tables a question is not understood, and finding how they are joined takes long.
_MOST = 8
# What it costs to join rows only because they belong to the same row of a third table, spoken of or not.
_SIBLINGS, _UNSAID_SIBLINGS = 0.1, 0.8


@dataclass(frozen=True, slots=True)
class Edge:
    """Rows of `one` belong to rows of `other` where these columns are equal; the other's are unique if `single`."""

    one: int
    other: int
    columns: tuple[tuple[int, int], ...]
    cost: float
    single: bool

    def beyond(self, table: int) -> int:
        """The table at the other end."""
        return self.other if table == self.one else self.one


# A table that is reached, and whether rows that belong to one of its rows are joined there already.
_State = tuple[int, bool]
_Tree = tuple[float, tuple[Edge, ...]]


class Ways:
    """Trees of edges, each with what it costs."""

    def __init__(self, edges: Sequence[Edge]) -> None:
        self._at: dict[int, list[Edge]] = {}
        for edge in edges:
            self._at.setdefault(edge.one, []).append(edge)
            self._at.setdefault(edge.other, []).append(edge)
        self._known: dict[tuple[int, ...], tuple[list[Edge], float] | None] = {}

    def tree(self, tables: Sequence[int]) -> tuple[list[Edge], float] | None:
        """The cheapest edges that connect the tables, those that lead to the first of them first; None without any."""
        wanted = tuple(dict.fromkeys(tables))
        if wanted not in self._known:
            found = self._cheapest(wanted) if len(wanted) <= _MOST else None
            self._known[wanted] = None if found is None else (_ordered(found[1], wanted), found[0])
        return self._known[wanted]

    def _cheapest(self, wanted: tuple[int, ...]) -> _Tree | None:
        """As Dreyfus and Wagner do it: the best trees of all sets of tables, from those of the sets' parts."""
        root, *others = wanted
        best: dict[int, dict[_State, _Tree]] = {}
        for part in range(1, 1 << len(others)):
            if part & (part - 1) == 0:
                table = others[part.bit_length() - 1]
                begun: dict[_State, _Tree] = {(table, False): (0.0, ())}
            else:
                begun = {}
                for half in _halves(part):
                    self._merge(best[half], best[part ^ half], wanted, begun)
            best[part] = self._grown(begun, wanted)
        if not others:
            return 0.0, ()
        found = best[(1 << len(others)) - 1]
        return min((found[state] for state in ((root, False), (root, True)) if state in found), default=None, key=_cost)

    def _merge(
        self,
        one: Mapping[_State, _Tree],
        other: Mapping[_State, _Tree],
        wanted: Sequence[int],
        into: dict[_State, _Tree],
    ) -> None:
        for (table, many), (cost, edges) in one.items():
            for more in (False, True):
                if (table, more) in other:
                    further, its = other[table, more]
                    total = cost + further + (_siblings(table, wanted) if many and more else 0.0)
                    state = (table, many or more)
                    if state not in into or total < into[state][0]:
                        into[state] = (total, (*edges, *its))

    def _grown(self, begun: Mapping[_State, _Tree], wanted: Sequence[int]) -> dict[_State, _Tree]:
        """The trees, and what they become by edges from where they are rooted."""
        number = itertools.count()
        queue = [(cost, next(number), state, edges) for state, (cost, edges) in begun.items()]
        heapq.heapify(queue)
        found: dict[_State, _Tree] = {}
        while queue:
            cost, _, state, edges = heapq.heappop(queue)
            if state in found:
                continue
            found[state] = (cost, edges)
            table, many = state
            for edge in self._at.get(table, ()):
                further = edge.beyond(table)
                down = many and edge.single and table == edge.other
                following = (further, edge.single and further == edge.other)
                if following not in found:
                    total = cost + edge.cost + (_siblings(table, wanted) if down else 0.0)
                    heapq.heappush(queue, (total, next(number), following, (*edges, edge)))
        return found


def _siblings(table: int, wanted: Sequence[int]) -> float:
    return _SIBLINGS if table in wanted else _UNSAID_SIBLINGS


def _cost(tree: _Tree) -> float:
    return tree[0]


def _halves(part: int) -> Iterator[int]:
    """One half of each way to cut a set in two."""
    half = (part - 1) & part
    while half > part ^ half:
        yield half
        half = (half - 1) & part


def _ordered(edges: Sequence[Edge], wanted: Sequence[int]) -> list[Edge]:
    """The edges as they lead from the first table to each of the others in turn."""
    found: list[Edge] = []
    for table in wanted[1:]:
        found += [edge for edge in _path(edges, wanted[0], table) if edge not in found]
    return found


def _path(edges: Sequence[Edge], start: int, end: int) -> Sequence[Edge]:
    queue: list[tuple[int, tuple[Edge, ...]]] = [(start, ())]
    seen = {start}
    for table, its in queue:
        if table == end:
            return its
        for edge in edges:
            further = edge.beyond(table)
            if table in (edge.one, edge.other) and further not in seen:
                seen.add(further)
                queue.append((further, (*its, edge)))
    return ()
