"""The cheapest join of several tables: a Steiner tree in the schema graph (Dreyfus and Wagner 1972)."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# The algorithm is exponential in the number of tables; questions that need more are not understood anyway.
_MOST_TABLES = 8
# Extra cost of joining siblings, rows that only reference the same third row, if that table is mentioned and if not.
_SIBLING_COST, _UNMENTIONED_SIBLING_COST = 0.1, 0.8


@dataclass(frozen=True, slots=True)
class Edge:
    """A join condition: rows of `source` reference rows of `target`; `many_to_one` if the target columns are unique."""

    source: int
    target: int
    columns: tuple[tuple[int, int], ...]
    cost: float
    many_to_one: bool

    def other_end(self, table: int) -> int:
        """The table at the other end of the edge."""
        return self.target if table == self.source else self.source


# A table, and whether rows that reference it are in the tree already, so that more would be siblings.
_State = tuple[int, bool]
_Tree = tuple[float, tuple[Edge, ...]]


class JoinGraph:
    """Steiner trees over the edges of a schema, cached by the tables that they connect."""

    def __init__(self, edges: Sequence[Edge]) -> None:
        self._edges_at: dict[int, list[Edge]] = {}
        for edge in edges:
            self._edges_at.setdefault(edge.source, []).append(edge)
            self._edges_at.setdefault(edge.target, []).append(edge)
        self._cache: dict[tuple[int, ...], tuple[list[Edge], float] | None] = {}

    def steiner_tree(self, tables: Sequence[int]) -> tuple[list[Edge], float] | None:
        """The edges of the cheapest tree that connects the tables, and its cost; None if they are not connected.

        Edges are ordered as they lead away from the first table.
        """
        wanted = tuple(dict.fromkeys(tables))
        if wanted not in self._cache:
            tree = self._dreyfus_wagner(wanted) if len(wanted) <= _MOST_TABLES else None
            self._cache[wanted] = None if tree is None else (_ordered_edges(tree[1], wanted), tree[0])
        return self._cache[wanted]

    def _dreyfus_wagner(self, wanted: tuple[int, ...]) -> _Tree | None:
        """Dynamic programming over subsets of the tables: merge trees of two parts at one root, then grow the root."""
        root, *others = wanted
        best: dict[int, dict[_State, _Tree]] = {}
        for part in range(1, 1 << len(others)):
            if part & (part - 1) == 0:
                table = others[part.bit_length() - 1]
                seeds: dict[_State, _Tree] = {(table, False): (0.0, ())}
            else:
                seeds = {}
                for half in _bipartitions(part):
                    self._merge(best[half], best[part ^ half], wanted, seeds)
            best[part] = self._grow(seeds, wanted)
        if not others:
            return 0.0, ()
        trees = best[(1 << len(others)) - 1]
        return min(
            (trees[state] for state in ((root, False), (root, True)) if state in trees), default=None, key=_tree_cost
        )

    def _merge(
        self,
        one: Mapping[_State, _Tree],
        other: Mapping[_State, _Tree],
        wanted: Sequence[int],
        into: dict[_State, _Tree],
    ) -> None:
        for (table, many), (cost, edges) in one.items():
            for other_many in (False, True):
                if (table, other_many) in other:
                    other_cost, other_edges = other[table, other_many]
                    total = cost + other_cost + (_sibling_cost(table, wanted) if many and other_many else 0.0)
                    state = (table, many or other_many)
                    if state not in into or total < into[state][0]:
                        into[state] = (total, (*edges, *other_edges))

    def _grow(self, seeds: Mapping[_State, _Tree], wanted: Sequence[int]) -> dict[_State, _Tree]:
        """Dijkstra's algorithm from all seeds at once: the cheapest tree for each root reachable by further edges."""
        number = itertools.count()
        queue = [(cost, next(number), state, edges) for state, (cost, edges) in seeds.items()]
        heapq.heapify(queue)
        settled: dict[_State, _Tree] = {}
        while queue:
            cost, _, state, edges = heapq.heappop(queue)
            if state in settled:
                continue
            settled[state] = (cost, edges)
            table, many = state
            for edge in self._edges_at.get(table, ()):
                neighbor = edge.other_end(table)
                down = many and edge.many_to_one and table == edge.target
                next_state = (neighbor, edge.many_to_one and neighbor == edge.target)
                if next_state not in settled:
                    total = cost + edge.cost + (_sibling_cost(table, wanted) if down else 0.0)
                    heapq.heappush(queue, (total, next(number), next_state, (*edges, edge)))
        return settled


def _sibling_cost(table: int, wanted: Sequence[int]) -> float:
    return _SIBLING_COST if table in wanted else _UNMENTIONED_SIBLING_COST


def _tree_cost(tree: _Tree) -> float:
    return tree[0]


def _bipartitions(part: int) -> Iterator[int]:
    """Each split of a set (as bits) in two, once."""
    half = (part - 1) & part
    while half > part ^ half:
        yield half
        half = (half - 1) & part


def _ordered_edges(edges: Sequence[Edge], wanted: Sequence[int]) -> list[Edge]:
    """The edges in the order in which they lead from the first table to each of the others."""
    ordered: list[Edge] = []
    for table in wanted[1:]:
        ordered += [edge for edge in _shortest_path(edges, wanted[0], table) if edge not in ordered]
    return ordered


def _shortest_path(edges: Sequence[Edge], start: int, end: int) -> Sequence[Edge]:
    queue: list[tuple[int, tuple[Edge, ...]]] = [(start, ())]
    seen = {start}
    for table, path in queue:
        if table == end:
            return path
        for edge in edges:
            neighbor = edge.other_end(table)
            if table in (edge.source, edge.target) and neighbor not in seen:
                seen.add(neighbor)
                queue.append((neighbor, (*path, edge)))
    return ()
