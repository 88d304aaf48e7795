"""Covers: the choice of anchors that do not overlap and leave no content word over (shortest path over the tokens)."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pg_llm.ask import words
from pg_llm.ask.linking.tokenizer import Token
from pg_llm.ask.mention import Anchor

# What a word without an anchor costs; an anchor costs one and more the less sure it is, a word without content little.
_UNCOVERED = 10.0
_UNSURE = 4.0
# A name or value as sure as that is never a word without content.
_SURE = 0.9
_NAMES = ("table", "column")
_LIKE_NAMES = ("number", "period", "label")
_GLUE, _SUPPORT, _OPERATOR = 0.3, 1.6, 0.25
# Options of one span are kept as far as this from the best, and so many assignments are tried.
_MARGIN = 2.0
_MOST_OPTIONS, _MOST_COVERS = 6, 200


@dataclass(frozen=True, slots=True)
class Cover:
    """Anchors in the question's order, what they cost beyond the cheapest ones, and the words left over."""

    anchors: tuple[Anchor, ...]
    cost: float
    uncovered: tuple[int, ...]


def cost(anchor: Anchor) -> float:
    """The cost of using an anchor."""
    if anchor.kind == "glue":
        return _GLUE * math.sqrt(anchor.end - anchor.start)
    if anchor.kind == "support":
        return _SUPPORT
    if anchor.ref is None and anchor.kind not in _LIKE_NAMES:
        return _OPERATOR
    return 1.0 + _UNSURE * (1.0 - anchor.score)


def covers(tokens: Sequence[Token], anchors: Sequence[Anchor]) -> Iterator[Cover]:
    """The cheapest segmentation with every assignment of its spans, cheapest first; then one that differs in a span."""
    slots: dict[tuple[int, int], list[Anchor]] = defaultdict(list)
    for anchor in anchors:
        slots[anchor.start, anchor.end].append(anchor)
    named = {anchor.ref[0] for anchor in anchors if anchor.kind == "table" and anchor.ref and anchor.score == 1.0}
    options = {span: _options(found, named) for span, found in slots.items()}
    path, uncovered = _shortest_path(len(tokens), options)
    lists = [options[span] for span in path]
    least = sum(cost(choices[0]) for choices in lists)
    chosen = sorted(_assignments(lists), key=lambda pair: pair[0])[:_MOST_COVERS]
    for total, assignment in chosen:
        yield Cover(assignment, total - least, uncovered)


def _options(found: Sequence[Anchor], named: Collection[int]) -> list[Anchor]:
    """The options of a span in order: the surest first, of those the ones in tables that the question names."""
    if any(anchor.ref is None and anchor.kind != "glue" for anchor in found):
        found = [anchor for anchor in found if anchor.kind != "glue"]
    if any(_is_sure(anchor) for anchor in found):
        found = [anchor for anchor in found if not anchor.is_empty]
    if any(anchor.kind in _NAMES and anchor.score == 1.0 for anchor in found):
        # Beside a whole name a part of another one is not meant.
        found = [anchor for anchor in found if anchor.kind not in _NAMES or anchor.score >= _SURE]
    ordered = sorted(found, key=lambda anchor: (cost(anchor), anchor.ref is not None and anchor.ref[0] not in named))
    return [anchor for anchor in ordered if cost(anchor) <= cost(ordered[0]) + _MARGIN][:_MOST_OPTIONS]


def _is_sure(anchor: Anchor) -> bool:
    """True for a value, or a name that is no verb in the question: placed is no place."""
    verb = anchor.kind != "value" and words.is_verb_form(anchor.text.lower())
    return anchor.ref is not None and anchor.whole and anchor.score >= _SURE and not verb


def _assignments(lists: Sequence[Sequence[Anchor]]) -> Iterator[tuple[float, tuple[Anchor, ...]]]:
    """All choices of one option for each span, as far as their number allows; the same words mean the same."""
    sizes = [len(choices) for choices in lists]
    while math.prod(sizes) > 4 * _MOST_COVERS:
        widest = max(range(len(sizes)), key=sizes.__getitem__)
        sizes[widest] -= 1
    for assignment in itertools.product(*(choices[:size] for choices, size in zip(lists, sizes, strict=True))):
        yield sum(map(cost, assignment)), assignment


def _shortest_path(
    length: int, options: dict[tuple[int, int], list[Anchor]]
) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    best: list[tuple[float, tuple[int, int] | None]] = [(0.0, None)]
    best += [(math.inf, None)] * length
    ending: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for span in options:
        ending[span[1]].append(span)
    for end in range(1, length + 1):
        best[end] = (best[end - 1][0] + _UNCOVERED, None)
        for span in ending[end]:
            total = best[span[0]][0] + cost(options[span][0])
            if total < best[end][0] - 1e-9:
                best[end] = (total, span)
    path: list[tuple[int, int]] = []
    uncovered: list[int] = []
    end = length
    while end > 0:
        chosen = best[end][1]
        if chosen is None:
            uncovered.append(end - 1)
            end -= 1
        else:
            path.append(chosen)
            end = chosen[0]
    return path[::-1], tuple(reversed(uncovered))
