"""All detectors on one table, and one proposal for each cell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from pg_llm.cleaning.detectors import (
    dependencies,
    encoding_damage,
    formats,
    learned_edits,
    missing,
    outliers,
    sources,
    typos,
    votes,
)
from pg_llm.cleaning.table import Cell, Opinion, Table, is_quantity

MARK = "mark"
_LEAST_DEPENDENCY = 0.3
# A repair that is less probable is not proposed; the cell is still reported.
LEAST = 0.5


def find(
    table: Table,
    step: Callable[[str], object] = lambda _: None,
    dependent: Sequence[tuple[int, int]] = (),
    said: Sequence[Opinion] = (),
) -> dict[Cell, Opinion]:
    """The opinion on each cell that looks wrong; `step` is told which detector begins, and may raise.

    `dependent` are columns of which the first is known to determine the second, `said` what others found.
    """
    step("dependency")
    # Of a number the spelling says nothing, and one that recurs is often no more than usual: no votes on those.
    spelt = [place for place, counts in enumerate(table.counts) if not all(map(is_quantity, table.watched(counts)))]
    known = dependencies.find(table, _LEAST_DEPENDENCY, dependent, spelt)
    said = list(said)
    panel = sources.panel(table, known)
    found = list(sources.opinions(table, panel)) if panel else []
    # What sources contradict one another about is no matter of votes.
    settled = set(panel.facts) - {right for _, right in dependent} if panel and found else set()
    found = [opinion for opinion in table.watched(found) if opinion.cell[1] in settled]
    said += found
    said += votes.opinions(table, [each for each in known if each.right not in settled])
    for detector in (encoding_damage, typos, formats, missing, outliers, learned_edits):
        step(detector.DETECTOR)
        said += [opinion for opinion in detector.opinions(table) if opinion.cell[1] not in settled]
    return _weighed(table, said)


def _weighed(table: Table, said: Sequence[Opinion]) -> dict[Cell, Opinion]:
    by_cell: defaultdict[Cell, list[Opinion]] = defaultdict(list)
    for opinion in table.watched(said):
        by_cell[opinion.cell].append(opinion)
    trust = _trust(table, said)
    found = {}
    for cell, opinions in table.watched(by_cell.items()):
        if cell not in table.marks:
            found[cell] = _together([_trusted(opinion, trust) for opinion in opinions])
    for (row, column), truth in table.watched(table.marks.items()):
        if (table.columns[column][row] or None) != (truth or None):
            found[row, column] = Opinion((row, column), truth, 1.0, MARK, "marked")
    return found


def _together(opinions: Sequence[Opinion]) -> Opinion:
    """The likeliest; those that agree make one another surer."""
    wrong: defaultdict[str | None, float] = defaultdict(lambda: 1.0)
    known = [opinion for opinion in opinions if opinion.confidence is not None]
    if not known:
        return opinions[0]
    for opinion in known:
        wrong[opinion.new] *= 1 - (opinion.confidence or 0)
    new = min(wrong, key=lambda value: (wrong[value], value or ""))
    best = max((each for each in known if each.new == new), key=lambda each: each.confidence or 0)
    # What others would put there counts against it.
    against = max((1 - wrong[value] for value in wrong if value != new), default=0.0)
    return replace(best, confidence=min(0.99, 1 - wrong[new]) * (1 - against / 2))


Trust = dict[tuple[int, str], float]


def _trust(table: Table, said: Sequence[Opinion]) -> Trust:
    """How often a detector is right in a column, as marked cells show; it begins with three right answers."""
    right: defaultdict[tuple[int, str], list[bool]] = defaultdict(list)
    for opinion in table.watched(said):
        if opinion.cell in table.marks and opinion.confidence is not None:
            its = (table.marks[opinion.cell] or "") == (opinion.new or "")
            right[opinion.cell[1], opinion.detector].append(its)
    return {key: (sum(answers) + 3) / (len(answers) + 3) for key, answers in right.items()}


def _trusted(opinion: Opinion, trust: Trust) -> Opinion:
    if opinion.confidence is None:
        return opinion
    return replace(opinion, confidence=opinion.confidence * trust.get((opinion.cell[1], opinion.detector), 1.0))
