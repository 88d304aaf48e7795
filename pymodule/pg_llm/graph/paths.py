"""Paths between two entities: from both ends to the middle, so that hops cost half."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Beginnings of paths that are looked at, from either end.
MOST = 200_000


@dataclass(frozen=True, slots=True)
class Edge:
    """A relation as it is walked: `forward` from its subject to its object."""

    start: int
    end: int
    predicate: str
    forward: bool
    confidence: float


Walk = tuple[Edge, ...]


class Edges:
    """The surest edge between each pair of entities, in either direction of walking."""

    def __init__(self) -> None:
        self.of: dict[int, dict[int, Edge]] = defaultdict(dict)

    def add(self, subject: int, predicate: str, object: int, confidence: float) -> None:
        """One relation; one of an entity with itself leads nowhere."""
        if subject == object:
            return
        for edge in (
            Edge(subject, object, predicate, True, confidence),
            Edge(object, subject, predicate, False, confidence),
        ):
            known = self.of[edge.start].get(edge.end)
            if known is None or (edge.confidence, edge.forward, known.predicate) > (
                known.confidence,
                known.forward,
                edge.predicate,
            ):
                self.of[edge.start][edge.end] = edge


def best(edges: Edges, a: int, b: int, hops: int, k: int) -> tuple[list[Walk], bool]:
    """The k paths without a circle of `hops` relations at most, the shortest first, then the surest; if all counted.

    `edges` has those of everything within half the hops of either end.
    """
    found: list[Walk] = []
    whole = True
    for length in range(1, hops + 1):
        half = (length + 1) // 2
        from_a, all_a = _walks(edges, a, half, b)
        from_b, all_b = _walks(edges, b, length - half, a)
        whole = whole and all_a and all_b
        back: dict[int, list[Walk]] = defaultdict(list)
        for walk in from_b:
            back[walk[-1].end if walk else b].append(walk)
        found += heapq.nsmallest(k - len(found), _joined(from_a, back), key=_order)
        if len(found) == k:
            break
    return found, whole


def _joined(walks: Iterable[Walk], back: dict[int, list[Walk]]) -> Iterator[Walk]:
    for walk in walks:
        passed = {edge.start for edge in walk}
        for other in back.get(walk[-1].end, ()):
            # The other half was walked from b: its entities but the common one must be new.
            if not any(edge.start in passed for edge in other):
                yield walk + tuple(
                    Edge(edge.end, edge.start, edge.predicate, not edge.forward, edge.confidence)
                    for edge in reversed(other)
                )


def _order(walk: Walk) -> tuple[float, tuple[int, ...]]:
    return -math.prod(edge.confidence for edge in walk), tuple(edge.end for edge in walk)


def _walks(edges: Edges, start: int, length: int, end: int) -> tuple[list[Walk], bool]:
    """All walks of exactly that length without a circle that pass the end nowhere but at their own."""
    walks: list[Walk] = [()]
    whole = True
    for _ in range(length):
        longer: list[Walk] = []
        for walk in walks:
            here = walk[-1].end if walk else start
            if here == end:
                continue
            passed = {start, *(edge.end for edge in walk)}
            longer += [(*walk, edge) for other, edge in edges.of[here].items() if other not in passed]
            if len(longer) > MOST:
                whole = False
                break
        walks = longer
    return walks, whole
