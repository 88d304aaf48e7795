"""The ensemble of all detectors on one table: their findings combined into one repair per cell.

Detectors that agree on a repair count as independent evidence (noisy-or); each is weighted by how often marked cells
show it right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from pg_llm.cleaning.host.detectors import (
    affixes,
    balance_edits,
    calibration,
    case_and_space,
    dependencies,
    dependency_votes,
    encoding,
    header_rows,
    key_collision,
    learned_programs,
    neighbour_values,
    outliers,
    standardized,
    swapped_values,
    truth_discovery,
    typos,
    writings,
)
from pg_llm.cleaning.host.table import Column, Finding, Rows, Step, Table, Value, is_quantity
from pg_llm.cleaning.host.types import missing

_T = TypeVar("_T")
MARK = "mark"
_MISSING = "missing"
_MIN_LIFT = 0.3
# A repair that is less probable is not proposed; the cell is still reported.
MIN_CONFIDENCE = 0.5
_MARKED = Step("cells as they were marked")
_MAX_CONFIDENCE = 0.99
# Right answers that every detector starts with.
_PRIOR_RIGHT = 3


# What tells a value's right writing from the column's values alone.
_OF_WRITING = (encoding, case_and_space, writings, affixes)
_BY_NAME = {module.DETECTOR: module for module in (*_OF_WRITING, key_collision, typos, outliers)}
# In the order in which they run.
DETECTORS = [*_BY_NAME, dependency_votes.DETECTOR]
# Two columns that contradict each other are both reported, unless one repair is so much more probable.
_MIN_LEAD = 0.2

Declared = Sequence[tuple[int, int]]


class Ensemble:
    """The detectors on one table; what they find without marks is kept.

    `declared` are functional dependencies (determinant, dependent) that are known to hold.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._kept: dict[tuple[object, ...], list[Any]] = {}

    def detect(self, detector: str, declared: Declared = ()) -> None:
        """Let one of the detectors do what it can without marks."""
        if detector == dependency_votes.DETECTOR:
            self._dependencies(declared)
        else:
            self._findings(detector)

    def combine(self, declared: Declared = (), violations: Sequence[Finding] = ()) -> list[Finding]:
        """The combined findings on all cells that look wrong, each cell in one of them, with the table's marks.

        `violations` of rules are combined with what the detectors find.
        """
        table, found = self.table, list(violations)
        discovered = self._dependencies(declared)
        panel = truth_discovery.find_panel(table, discovered)
        by_sources = list(truth_discovery.detect(table, panel)) if panel else []
        # Where sources contradict one another, their reliability decides and not the majority of rows.
        settled = set(panel.attributes) - {right for _, right in declared} if panel and by_sources else set()
        found += [finding for finding in by_sources if finding.column in settled]
        unsettled = [dependency for dependency in discovered if dependency.right not in settled]
        votes = ("votes", *declared, *sorted(settled))
        found += self._keep(votes, lambda: list(dependency_votes.detect(self._standardized, unsettled)))
        found += self._keep((balance_edits.DETECTOR,), lambda: list(balance_edits.detect(self._standardized)))
        others = [finding for detector in _BY_NAME for finding in self._findings(detector)]
        others += learned_programs.detect(table)
        others += neighbour_values.detect(table)
        found += [finding for finding in others if finding.column not in settled]
        swapped = self._keep((swapped_values.DETECTOR,), lambda: list(swapped_values.detect(self._standardized)))
        found = [*swapped_values.without_cells(found, swapped), *swapped]
        headers = self._keep((header_rows.DETECTOR,), lambda: header_rows.detect(table))
        found = [*header_rows.without_rows(found, headers), *headers]
        return _without_contradictions(_combine_by_column(table, found))

    @cached_property
    def _standardized(self) -> Table:
        findings = [finding for module in _OF_WRITING for finding in self._findings(module.DETECTOR)]
        written_alike = standardized.standardized(self.table, findings)
        variants = self._keep((key_collision.DETECTOR,), lambda: list(key_collision.detect(written_alike)))
        return standardized.standardized(written_alike, variants)

    def _dependencies(self, declared: Declared) -> list[dependencies.Dependency]:
        # Voting on numbers misleads: their spelling tells nothing, and one that recurs is often just the usual one.
        columns = enumerate(self._standardized.columns)
        spelled = [position for position, column in columns if not all(map(is_quantity, column.counts))]
        discover = partial(dependencies.discover, self._standardized, _MIN_LIFT, declared, spelled)
        return self._keep(("dependencies", *declared), discover)

    def _findings(self, detector: str) -> list[Finding]:
        if detector == key_collision.DETECTOR:
            # They are looked for on the way to values that are written alike, as misspellings are among them.
            _ = self._standardized
        table = self._standardized if detector == typos.DETECTOR else self.table
        return self._keep((detector,), lambda: list(_BY_NAME[detector].detect(table)))

    def _keep(self, key: tuple[object, ...], compute: Callable[[], list[_T]]) -> list[_T]:
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]


def detect(table: Table) -> list[Finding]:
    """The combined findings of all detectors on a table."""
    return Ensemble(table).combine()


def _combine_by_column(table: Table, findings: Sequence[Finding]) -> list[Finding]:
    precision = _precision(table, findings)
    by_column: defaultdict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_column[finding.column].append(_weighted(finding, precision))
    combined = [each for column, found in by_column.items() for each in _combine_column(table, column, found)]
    return [*_calibrated(table, combined, precision), *_contradicted_by_marks(table)]


def _calibrated(table: Table, findings: Sequence[Finding], precision: Precision) -> Iterator[Finding]:
    rows = [_rows_alike(table.columns[each.column], each) for each in findings]
    alike = Counter(
        (each.column, each.detector, bool(count))
        for each, count in zip(findings, rows, strict=True)
        if each.confidence is not None and each.confidence >= calibration.MIN_SAID
    )
    for finding, count in zip(findings, rows, strict=True):
        column, detector, said = finding.column, finding.detector, finding.confidence
        # What people said of a detector's repairs in this table counts more than what was measured elsewhere.
        if said is not None and (column, detector) not in precision:
            others = max(1, alike[column, detector, bool(count)])
            finding = replace(finding, confidence=calibration.calibrated(detector, said, others, count))
        yield finding


def _rows_alike(column: Column, finding: Finding) -> int:
    """The rows of the column that hold what a finding's cells hold, 0 if that is nothing, or a word for nothing."""
    code = column.codes[finding.rows[0]]
    return int(column.occurrences[code]) if code and missing.kind(column.values[code - 1]) != "sure" else 0


def _without_contradictions(findings: list[Finding]) -> list[Finding]:
    """Where two columns of a row each say that the other is wrong, both cells are reported and neither is repaired."""
    by_columns: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for place, finding in enumerate(findings):
        if finding.determinant is not None and finding.confidence is not None:
            by_columns[finding.column, finding.determinant[0]].append(place)
    unsure: defaultdict[int, list[int]] = defaultdict(list)
    for (column, determinant), places in by_columns.items():
        mirrored = by_columns.get((determinant, column), [])
        if column > determinant or not mirrored:
            continue
        at: dict[int, int] = {row: place for place in mirrored for row in findings[place].rows.tolist()}
        for place in places:
            for row in findings[place].rows.tolist():
                if row in at:
                    ours, theirs = findings[place].confidence or 0, findings[at[row]].confidence or 0
                    if ours < theirs + _MIN_LEAD:
                        unsure[place].append(row)
                    if theirs < ours + _MIN_LEAD:
                        unsure[at[row]].append(row)
    kept = []
    for place, finding in enumerate(findings):
        if place in unsure:
            is_unsure = np.isin(finding.rows, unsure[place])
            kept.append(replace(finding, confidence=None).on(finding.rows[is_unsure]))
            finding = finding.on(finding.rows[~is_unsure])
        if len(finding.rows):
            kept.append(finding)
    return kept


def _combine_column(table: Table, column: int, findings: Sequence[Finding]) -> Iterator[Finding]:
    """One finding for all cells that hold the same and on which the same findings lie, but for cells with a mark."""
    marked = [row for row, position in table.marks if position == column]
    rows = np.concatenate([finding.rows for finding in findings])
    places = np.repeat(np.arange(len(findings)), [len(finding.rows) for finding in findings])
    unknown = ~np.isin(rows, marked)
    rows, places = rows[unknown], places[unknown]
    order = np.lexsort((places, rows))
    rows, places = rows[order], places[order]
    cells, starts = np.unique(rows, return_index=True)
    held = table.columns[column].kinds[cells].tolist()
    rows_of: defaultdict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for row, value, on_cell in zip(cells.tolist(), held, _slices(places.tolist(), starts.tolist()), strict=True):
        rows_of[value, on_cell].append(row)
    for (_, on_cell), alike in rows_of.items():
        yield _combine([findings[place] for place in on_cell]).on(np.array(alike))


def _slices(items: list[int], starts: list[int]) -> Iterator[tuple[int, ...]]:
    for start, end in pairwise([*starts, len(items)]):
        yield tuple(items[start:end])


def _contradicted_by_marks(table: Table) -> Iterator[Finding]:
    for (row, position), truth in table.marks.items():
        if table.columns[position].value(row) != (truth or ""):
            yield Finding(position, np.array([row]), truth, 1.0, MARK, "marked", step=_MARKED)


def _combine(findings: Sequence[Finding]) -> Finding:
    """The most probable repair of cells; findings that agree raise its confidence, others lower it."""
    with_repair = [finding for finding in findings if finding.confidence is not None]
    if not with_repair:
        return findings[0]
    # That a word stands for no value does not contradict the value that other columns give.
    given = [each for each in with_repair if each.determinant and each.new and (each.confidence or 0) >= MIN_CONFIDENCE]
    with_repair = [each for each in with_repair if each.detector != _MISSING] if given else with_repair
    error: defaultdict[str | None, float] = defaultdict(lambda: 1.0)
    for finding in with_repair:
        error[finding.new] *= 1 - (finding.confidence or 0)
    new = min(error, key=lambda value: (error[value], value or ""))
    best = max((finding for finding in with_repair if finding.new == new), key=lambda finding: finding.confidence or 0)
    contradiction = max((1 - error[value] for value in error if value != new), default=0.0)
    return replace(best, confidence=min(_MAX_CONFIDENCE, 1 - error[new]) * (1 - contradiction / 2))


Precision = dict[tuple[int, str], float]


def _precision(table: Table, findings: Sequence[Finding]) -> Precision:
    """How often each detector is right in a column, by marks and decisions, smoothed by `_PRIOR_RIGHT`."""
    answers: defaultdict[tuple[int, str], list[bool]] = defaultdict(list)
    decided: defaultdict[tuple[int, Value], dict[int, bool]] = defaultdict(dict)
    for ((row, column), new), accepted in table.decisions.items():
        decided[column, new][row] = accepted
    marks: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for (row, column), truth in table.marks.items():
        marks[column][row] = truth or ""
    marked_rows: dict[int, Rows] = {column: np.array(sorted(rows)) for column, rows in marks.items()}
    for finding in findings:
        of_cells = decided.get((finding.column, finding.new)) if finding.confidence is not None else None
        if of_cells:
            rows = np.intersect1d(finding.rows, np.fromiter(of_cells, dtype=np.int64)).tolist()
            answers[finding.column, finding.detector] += [of_cells[row] for row in rows]
        if finding.column in marks and finding.confidence is not None:
            for row in np.intersect1d(finding.rows, marked_rows[finding.column]).tolist():
                answers[finding.column, finding.detector].append(marks[finding.column][row] == (finding.new or ""))
    return {key: (sum(right) + _PRIOR_RIGHT) / (len(right) + _PRIOR_RIGHT) for key, right in answers.items()}


def _weighted(finding: Finding, precision: Precision) -> Finding:
    if finding.confidence is None:
        return finding
    return replace(finding, confidence=finding.confidence * precision.get((finding.column, finding.detector), 1.0))
