"""The analysis of a table by the process at the model host: its rows go there, findings come back."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pg_llm.cleaning import target_table
from pg_llm.cleaning.target_table import EVERYTHING, Reading, TargetTable, Value
from pg_llm.database import analyses
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import AnalysisLost

_R = TypeVar("_R")
_TASK = "table_analysis"
# Stands for NULL among the texts of a column, which a NUL divides: PostgreSQL's texts hold none.
_NULL = "\1"
# Of one message, which may have 128 MB.
_MOST_CHARACTERS = 30_000_000

# Row and column, both from 0.
Cell = tuple[int, int]


class Step(NamedTuple):
    """The transformation of a column that a repair belongs to, in words and, where it has any, in SQL on {c}."""

    description: str
    condition: str
    expression: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Cells of a column that hold `old` and look wrong alike.

    `new` is their repair, unless `confidence` is None: then none is known. `determinant` is the column (and its value
    in these rows) that the repair follows from.
    """

    column: int
    rows: Sequence[int]
    old: Value
    new: Value
    confidence: float | None
    detector: str
    reason: str
    determinant: tuple[int, str] | None = None
    step: Step | None = None


class Duplicate(NamedTuple):
    """Two rows of one cluster, the probability that they are about one thing, and the columns in which they differ."""

    cluster: int
    first: int
    second: int
    score: float
    differs: list[int]


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that cells of a column violate: all with a value, or some rows; `new` is the repair if known."""

    column: int
    cells: str | Sequence[int]
    new: Value
    confidence: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What people know of a table.

    `marks` are cells with their true value, `corrections` earlier ones as (column, old, new), `declared` functional
    dependencies (determinant, dependent), `violations` of rules, `decisions` repairs that were accepted, or refused.
    """

    marks: Mapping[Cell, Value]
    corrections: Sequence[tuple[int, str, str]]
    declared: Sequence[tuple[int, int]]
    violations: Sequence[Violation]
    decisions: Sequence[tuple[Cell, Value, bool]] = ()


class Analysis:
    """The table as the process has it; `keys` are those of its rows, as JSON, in the order in which it counts them.

    `versions` has the versions of the rows that were read, if they were asked for.
    """

    def __init__(self, db: Connection, target: TargetTable, reading: Reading = EVERYTHING) -> None:
        """Read the table; what the process knows of an equal one it keeps."""
        self._db = db
        self.keys: list[str] = []
        self.versions = array("L")
        chosen = reading.positions(target)
        self._ask({"do": "begin", "columns": [target.columns[place].name for place in chosen]})

        def take(rows: Sequence[Row]) -> None:
            texts = ["\0".join([_NULL if row[f"c{n}"] is None else row[f"c{n}"] for row in rows]) for n in chosen]
            if len(rows) > 1 and sum(map(len, texts)) > _MOST_CHARACTERS:
                middle = len(rows) // 2
                take(rows[:middle])
                take(rows[middle:])
                return
            self.keys += [row["k"] for row in rows]
            if reading.versions:
                self.versions.extend(row["version"] for row in rows)
            self._ask({"do": "rows"}, *texts)

        target_table.read(db, target, take, reading)

    def values(self, column: int) -> list[str]:
        """The distinct values of a column, without missing ones."""
        values: list[str] = json.loads(self._ask({"do": "values", "column": column}))
        return values

    def find(self, step: Callable[[str], object], knowledge: Knowledge) -> list[Finding]:
        """The findings of all detectors, combined with what is known; each cell is in one of them.

        `step` is called with the name of each detector as it begins.
        """
        for detector in json.loads(self._ask({"do": "detectors"})):
            step(detector)
            self._ask({"do": "detect", "detector": detector, "declared": knowledge.declared})
        step("combining")
        known = {
            "marks": [[*cell, value] for cell, value in knowledge.marks.items()],
            "corrections": knowledge.corrections,
            "declared": knowledge.declared,
            "decisions": [[*cell, new, accepted] for cell, new, accepted in knowledge.decisions],
            "violations": [
                [each.column, each.cells, each.new, each.confidence, each.reason] for each in knowledge.violations
            ],
        }
        parts = int(self._ask({"do": "combine"}, json.dumps(known)))
        return [each for part in range(parts) for each in _read(self._ask({"do": "part", "part": part}))]

    def profile(self) -> list[dict[str, Any]]:
        """What each column holds."""
        profiles: list[dict[str, Any]] = json.loads(self._ask({"do": "profile"}))
        return profiles

    def duplicates(self, threshold: float, step: Callable[[str, int, int], object]) -> list[Duplicate]:
        """Pairs of rows that are about one thing with that probability, by cluster.

        `step` is called with the phase, how much of it is done, and how much there is.
        """
        self._ask({"do": "link", "threshold": threshold})
        while True:
            phase, done, total = json.loads(self._ask({"do": "link_step"}))
            if phase is None:
                break
            step(phase, done, total)
        return [
            Duplicate(*pair) for part in range(done) for pair in json.loads(self._ask({"do": "part", "part": part}))
        ]

    def _ask(self, options: dict[str, Any], *texts: str) -> str:
        return analyses.ask(self._db, _TASK, options, *texts)


def of_table(db: Connection, target: TargetTable, use: Callable[[Analysis], _R], reading: Reading = EVERYTHING) -> _R:
    """The result of `use` on the analysis of a table, begun anew once if the process or its host ends meanwhile."""
    try:
        return use(Analysis(db, target, reading))
    except AnalysisLost:
        return use(Analysis(db, target, reading))


def _read(text: str) -> Iterator[Finding]:
    """The findings of one part: JSON with the number of rows of each, and after a NUL the rows themselves."""
    head, _, encoded = text.partition("\0")
    rows = array("i")
    rows.frombytes(base64.b64decode(encoded))
    start = 0
    for column, old, new, confidence, detector, reason, determinant, step, size in json.loads(head):
        given = (determinant[0], determinant[1]) if determinant else None
        made = Step(*step) if step else None
        yield Finding(column, rows[start : start + size], old, new, confidence, detector, reason, given, made)
        start += size
