"""The ensemble of all detectors on one table: their findings combined into one repair per cell.

Detectors that agree on a repair count as independent evidence (noisy-or); each is weighted by how often marked cells
show it right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from pg_llm.cleaning.column_store import Cell, ColumnStore, Finding, is_quantity
from pg_llm.cleaning.detectors import (
    dependencies,
    dependency_votes,
    disguised_missing,
    formats,
    learned_edits,
    mojibake,
    outliers,
    truth_discovery,
    typos,
)

MARK = "mark"
_MIN_LIFT = 0.3
# A repair that is less probable is not proposed; the cell is still reported.
MIN_CONFIDENCE = 0.5
_MAX_CONFIDENCE = 0.99
# Right answers that every detector starts with.
_PRIOR_RIGHT = 3


def detect(
    table: ColumnStore,
    step: Callable[[str], object] = lambda _: None,
    declared: Sequence[tuple[int, int]] = (),
    other_findings: Sequence[Finding] = (),
) -> dict[Cell, Finding]:
    """The combined finding on each cell that looks wrong.

    `step` is called with the name of each detector as it begins, and may raise. `declared` are functional dependencies
    (determinant, dependent) that are known to hold; `other_findings` are combined with those of the detectors.
    """
    step("dependency")
    # Voting on numbers misleads: their spelling tells nothing, and one that recurs is often just the usual one.
    spelled = [
        column for column, counts in enumerate(table.counts) if not all(map(is_quantity, table.interruptible(counts)))
    ]
    discovered = dependencies.discover(table, _MIN_LIFT, declared, spelled)
    findings = list(other_findings)
    panel = truth_discovery.find_panel(table, discovered)
    source_findings = list(truth_discovery.detect(table, panel)) if panel else []
    # Where sources contradict one another, their reliability decides and not the majority of rows.
    settled = set(panel.attributes) - {right for _, right in declared} if panel and source_findings else set()
    findings += [finding for finding in table.interruptible(source_findings) if finding.cell[1] in settled]
    findings += dependency_votes.detect(
        table, [dependency for dependency in discovered if dependency.right not in settled]
    )
    for detector in (mojibake, typos, formats, disguised_missing, outliers, learned_edits):
        step(detector.DETECTOR)
        findings += [finding for finding in detector.detect(table) if finding.cell[1] not in settled]
    return _combine_by_cell(table, findings)


def _combine_by_cell(table: ColumnStore, findings: Sequence[Finding]) -> dict[Cell, Finding]:
    by_cell: defaultdict[Cell, list[Finding]] = defaultdict(list)
    for finding in table.interruptible(findings):
        by_cell[finding.cell].append(finding)
    precision = _precision(table, findings)
    combined = {}
    for cell, on_cell in table.interruptible(by_cell.items()):
        if cell not in table.marks:
            combined[cell] = _combine([_weighted(finding, precision) for finding in on_cell])
    for (row, column), truth in table.interruptible(table.marks.items()):
        if (table.columns[column][row] or None) != (truth or None):
            combined[row, column] = Finding((row, column), truth, 1.0, MARK, "marked")
    return combined


def _combine(findings: Sequence[Finding]) -> Finding:
    """The most probable repair of one cell; findings that agree raise its confidence, others lower it."""
    with_repair = [finding for finding in findings if finding.confidence is not None]
    if not with_repair:
        return findings[0]
    error: defaultdict[str | None, float] = defaultdict(lambda: 1.0)
    for finding in with_repair:
        error[finding.new] *= 1 - (finding.confidence or 0)
    new = min(error, key=lambda value: (error[value], value or ""))
    best = max((finding for finding in with_repair if finding.new == new), key=lambda finding: finding.confidence or 0)
    contradiction = max((1 - error[value] for value in error if value != new), default=0.0)
    return replace(best, confidence=min(_MAX_CONFIDENCE, 1 - error[new]) * (1 - contradiction / 2))


Precision = dict[tuple[int, str], float]


def _precision(table: ColumnStore, findings: Sequence[Finding]) -> Precision:
    """How often each detector is right in a column, by the marked cells, smoothed by `_PRIOR_RIGHT`."""
    right: defaultdict[tuple[int, str], list[bool]] = defaultdict(list)
    for finding in table.interruptible(findings):
        if finding.cell in table.marks and finding.confidence is not None:
            is_right = (table.marks[finding.cell] or "") == (finding.new or "")
            right[finding.cell[1], finding.detector].append(is_right)
    return {key: (sum(answers) + _PRIOR_RIGHT) / (len(answers) + _PRIOR_RIGHT) for key, answers in right.items()}


def _weighted(finding: Finding, precision: Precision) -> Finding:
    if finding.confidence is None:
        return finding
    return replace(finding, confidence=finding.confidence * precision.get((finding.cell[1], finding.detector), 1.0))
