"""The k shortest simple paths between two entities, by a bidirectional search that meets in the middle."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Partial paths from either end that are extended at most.
MAX_PARTIAL_PATHS = 200_000


@dataclass(frozen=True, slots=True)
class Edge:
    """A relation in the direction in which a path follows it: `forward` is from subject to object."""

    start: int
    end: int
    predicate: str
    forward: bool
    confidence: float


Path = tuple[Edge, ...]


class EdgeIndex:
    """An adjacency list with the surest edge between each pair of entities, in both directions."""

    def __init__(self) -> None:
        self.edges_from: dict[int, dict[int, Edge]] = defaultdict(dict)

    def add(self, subject: int, predicate: str, object: int, confidence: float) -> None:
        """Add a relation; a loop is on no simple path and is left out."""
        if subject == object:
            return
        for edge in (
            Edge(subject, object, predicate, True, confidence),
            Edge(object, subject, predicate, False, confidence),
        ):
            known = self.edges_from[edge.start].get(edge.end)
            if known is None or (edge.confidence, edge.forward, known.predicate) > (
                known.confidence,
                known.forward,
                edge.predicate,
            ):
                self.edges_from[edge.start][edge.end] = edge


def k_shortest(edges: EdgeIndex, start: int, end: int, max_hops: int, k: int) -> tuple[list[Path], bool]:
    """The k shortest simple paths, of equal length the surest, and whether all paths were considered.

    `edges` has every edge within half of `max_hops` of either end.
    """
    shortest: list[Path] = []
    complete = True
    for length in range(1, max_hops + 1):
        half = (length + 1) // 2
        from_start, all_from_start = _simple_paths(edges, start, half, end)
        from_end, all_from_end = _simple_paths(edges, end, length - half, start)
        complete = complete and all_from_start and all_from_end
        halves_from_end: dict[int, list[Path]] = defaultdict(list)
        for path in from_end:
            halves_from_end[path[-1].end if path else end].append(path)
        shortest += heapq.nsmallest(k - len(shortest), _joined(from_start, halves_from_end), key=_sort_key)
        if len(shortest) == k:
            break
    return shortest, complete


def _joined(halves_from_start: Iterable[Path], halves_from_end: dict[int, list[Path]]) -> Iterator[Path]:
    """Each half from the start with each half from the end that meets it and shares no other entity with it."""
    for path in halves_from_start:
        visited = {edge.start for edge in path}
        for other in halves_from_end.get(path[-1].end, ()):
            if not any(edge.start in visited for edge in other):
                yield path + tuple(
                    Edge(edge.end, edge.start, edge.predicate, not edge.forward, edge.confidence)
                    for edge in reversed(other)
                )


def _sort_key(path: Path) -> tuple[float, tuple[int, ...]]:
    return -math.prod(edge.confidence for edge in path), tuple(edge.end for edge in path)


def _simple_paths(edges: EdgeIndex, start: int, length: int, end: int) -> tuple[list[Path], bool]:
    """All simple paths of exactly that length that have `end` nowhere but at their own end, and whether none is cut."""
    paths: list[Path] = [()]
    complete = True
    for _ in range(length):
        longer: list[Path] = []
        for path in paths:
            last = path[-1].end if path else start
            if last == end:
                continue
            visited = {start, *(edge.end for edge in path)}
            longer += [(*path, edge) for other, edge in edges.edges_from[last].items() if other not in visited]
            if len(longer) > MAX_PARTIAL_PATHS:
                complete = False
                break
        paths = longer
    return paths, complete
