"""Detection and repair of each kind of damage, among odd cells that are right, beside clustering by fingerprint."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import clean_tables
import odd_but_right
from dirty import Cell
from spreadsheet_damage import Damaged, damage
from workbench.bench import compared

COMMAND = "./run bench cleaning"
PEER = "fingerprint clusters"
# Detectors were written with the seeds 1 and 2, calibrated with 11 and 12.
SEEDS = (21, 22)
# The repair of a cell, None where it is found only.
Changes = Mapping[Cell, str | None]


class Counts(Counter[str]):
    """`wrong` cells, those `found`, repairs `proposed` and `right`, and `false` alarms among them, beside the wrong."""

    def detection(self) -> float:
        """F1 of the cells found."""
        return self._f1(self["found"], self["found"] + self["false"])

    def repair(self) -> float:
        """F1 of repairs that are exactly right."""
        return self._f1(self["right"], self["proposed"] + self["false repairs"])

    def _f1(self, right: int, all_of_ours: int) -> float:
        return 2 * right / (all_of_ours + self["wrong"]) if right else 0.0


def rows(changes: Callable[[str, Damaged], Changes]) -> Iterator[dict[str, Any]]:
    """Rows of a benchmark: all tables of each group together, then each kind over all tables."""
    by_kind: defaultdict[str, dict[str, Counts]] = defaultdict(lambda: {"": Counts(), PEER: Counts()})
    groups = {"developed on": clean_tables.DEVELOPED, "kept back": clean_tables.KEPT_BACK}
    for group, tables in groups.items():
        totals = {"": Counts(), PEER: Counts()}
        for name, make in tables.items():
            for seed in SEEDS:
                columns, clean = make(seed, clean_tables.ROWS)
                odd, untouched = odd_but_right.add(clean, columns, seed)
                damaged = damage(odd, columns, seed, untouched=untouched)
                for peer, found in (("", changes(name, damaged)), (PEER, fingerprint_clusters(damaged))):
                    for kind, counted in count(damaged, found).items():
                        totals[peer].update(counted)
                        by_kind[kind][peer].update(counted)
        yield from _compared(f"damage, tables {group}", totals)
    for kind, counts in sorted(by_kind.items()):
        if kind:
            yield from _compared(f"damage, {kind} ({counts['']['wrong']} cells)", counts)


def _compared(what: str, counts: Mapping[str, Counts]) -> Iterator[dict[str, Any]]:
    ours, theirs = counts[""], counts[PEER]
    yield compared(COMMAND, f"{what}: detection", PEER, theirs.detection(), ours.detection(), "F1", True, 3)
    yield compared(COMMAND, f"{what}: repair", PEER, theirs.repair(), ours.repair(), "F1", True, 3)


def count(damaged: Damaged, found: Changes) -> dict[str, Counts]:
    """The counts of each kind; what is found on sound cells stands under the empty name, as no kind is to blame."""
    counts: defaultdict[str, Counts] = defaultdict(Counts)
    for (row, place), kind in damaged.kinds.items():
        of = counts[kind]
        of["wrong"] += 1
        if (row, place) in found:
            of["found"] += 1
            new = found[row, place]
            of["proposed"] += new is not None
            of["right"] += new == damaged.pair.clean[row][place]
    for cell in found.keys() - damaged.kinds.keys():
        counts[""]["false"] += 1
        counts[""]["false repairs"] += found[cell] is not None
    return dict(counts)


def fingerprint_clusters(damaged: Damaged) -> dict[Cell, str | None]:
    """Each value becomes the most frequent one of its column with the same fingerprint: letters, sorted words."""
    found: dict[Cell, str | None] = {}
    for place in range(1, len(damaged.pair.names)):
        counts = Counter(row[place] for row in damaged.pair.dirty if row[place])
        clusters: defaultdict[str, list[str]] = defaultdict(list)
        for value in counts:
            clusters[fingerprint(value)].append(value)
        chosen = {key: max(values, key=lambda value: counts[value]) for key, values in clusters.items()}
        for number, row in enumerate(damaged.pair.dirty):
            if row[place] and (new := chosen[fingerprint(row[place])]) != row[place]:
                found[number, place] = new
    return found


def fingerprint(value: str) -> str:
    """The key of OpenRefine's default clustering."""
    plain = unicodedata.normalize("NFKD", value.strip().lower()).encode("ascii", "ignore").decode()
    return " ".join(sorted(set(re.sub(r"[^\w\s]|_", "", plain).split()))) or value
