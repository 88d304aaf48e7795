"""Single slips, slips that many rows share and rare right names: what is repaired, and what is written by default."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import misspelt_tables
from dirty import Cell, Pair
from misspelt_tables import RARE, SHARED, SINGLE
from rapidfuzz.distance import OSA
from workbench.bench import compared

COMMAND = "./run bench cleaning"
PEER = "nearest frequent value"
# Seeds that were looked at are below 100.
SEEDS = (201, 202)
APPLIED = 0.95
# New value and confidence of each cell with a proposal.
Proposals = Mapping[Cell, tuple[str | None, float]]


def rows(proposals: Callable[[str, Pair], Proposals]) -> Iterator[dict[str, Any]]:
    """Rows of a benchmark: shares of the cells of each kind, over all tables of each group."""
    groups = {"developed on": misspelt_tables.DEVELOPED, "kept back": misspelt_tables.KEPT_BACK}
    for group, designs in groups.items():
        totals: dict[str, Counter[tuple[str, str]]] = {"": Counter(), PEER: Counter()}
        for name, design in designs.items():
            for seed in SEEDS:
                made = misspelt_tables.make(design, seed)
                for who, found in (("", proposals(name, made.pair)), (PEER, nearest_frequent(made.pair))):
                    totals[who].update(count(made, found))
        ours, theirs = totals[""], totals[PEER]
        for kind, what in ((SINGLE, "repaired"), (SINGLE, "by default"), (SHARED, "repaired"), (RARE, "by default")):
            cells = ours[kind, "cells"]
            label = f"misspellings, tables {group}: {kind} ({cells} cells), {'written over ' * (kind == RARE)}{what}"
            ours_is, theirs_is = ours[kind, what] / cells, theirs[kind, what] / cells
            yield compared(COMMAND, label, PEER, theirs_is, ours_is, "share", kind != RARE, 3)


def count(made: misspelt_tables.Misspelt, found: Proposals) -> Counter[tuple[str, str]]:
    """Cells of each kind, those repaired rightly, and those that are changed by default: wrongly, if rare and right."""
    counts: Counter[tuple[str, str]] = Counter()
    for (row, place), kind in made.kinds.items():
        counts[kind, "cells"] += 1
        new, confidence = found.get((row, place), (None, 0.0))
        changed = (row, place) in found and new != made.pair.dirty[row][place]
        if kind == RARE or new == made.pair.clean[row][place]:
            counts[kind, "repaired"] += changed
            counts[kind, "by default"] += changed and confidence >= APPLIED
    return counts


def nearest_frequent(pair: Pair) -> dict[Cell, tuple[str | None, float]]:
    """Each value with a value one edit away that has twenty times its rows becomes the most frequent of these."""
    found: dict[Cell, tuple[str | None, float]] = {}
    for place in range(1, len(pair.names)):
        rows_of: defaultdict[str, list[int]] = defaultdict(list)
        for number, row in enumerate(pair.dirty):
            rows_of[row[place]].append(number)
        for value, where in rows_of.items():
            near = [
                other
                for other, others in rows_of.items()
                if len(others) >= 20 * len(where) and OSA.distance(value, other, score_cutoff=1) == 1
            ]
            if near and len(value) > 4:
                new = max(near, key=lambda other: len(rows_of[other]))
                found |= {(number, place): (new, 1.0) for number in where}
    return found
