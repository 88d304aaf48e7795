"""The analysis of a table, as the process at the model host does it: columns go there, findings come back."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pg_llm.cleaning.encoded_table import EncodedColumn, EncodedTable, Finding, Value
from pg_llm.database import analyses
from pg_llm.database.connection import Connection

_TASK = "table_analysis"
# Characters of values, and rows, that go in one message.
_CHARACTERS = 1 << 22
_ROWS = 1 << 20

# Row and column, both from 0.
Cell = tuple[int, int]


def send(db: Connection, table: EncodedTable) -> None:
    """Give the process a table; what it knows of an equal one it keeps."""
    analyses.ask(db, _TASK, {"do": "begin", "columns": [column.name for column in table.columns]})
    for place, column in enumerate(table.columns):
        analyses.tell(db, _TASK, list(_messages(place, column)))


def _messages(place: int, column: EncodedColumn) -> Iterator[analyses.Message]:
    part: list[str] = []
    characters = 0
    for value in column.values:
        part.append(value)
        characters += len(value) + 1
        if characters > _CHARACTERS:
            yield {"do": "values", "column": place, "count": len(part)}, ["\0".join(part)]
            part, characters = [], 0
    yield {"do": "values", "column": place, "count": len(part)}, ["\0".join(part)]
    for start in range(0, len(column.codes), _ROWS):
        yield {"do": "codes", "column": place}, [base64.b64encode(column.codes[start : start + _ROWS]).decode()]


def find(
    db: Connection,
    table: EncodedTable,
    step: Callable[[str], object],
    marks: Mapping[Cell, Value],
    corrections: Sequence[tuple[int, str, str]],
    declared: Sequence[tuple[int, int]],
    violations: Sequence[Finding],
) -> list[Finding]:
    """The findings of all detectors on a table, combined with the violations of rules; each cell is in one of them.

    `step` is called with the name of each detector as it begins.
    """
    send(db, table)
    for detector in json.loads(analyses.ask(db, _TASK, {"do": "detectors"})):
        step(detector)
        analyses.ask(db, _TASK, {"do": "detect", "detector": detector, "declared": declared})
    step("combining")
    knowledge = {
        "marks": [[*cell, value] for cell, value in marks.items()],
        "corrections": corrections,
        "declared": declared,
        "violations": [[*_fields(finding), list(finding.rows)] for finding in violations],
    }
    parts = int(analyses.ask(db, _TASK, {"do": "combine"}, json.dumps(knowledge)))
    return [
        finding for part in range(parts) for finding in _read(analyses.ask(db, _TASK, {"do": "part", "part": part}))
    ]


def _fields(finding: Finding) -> list[Any]:
    return [finding.column, finding.new, finding.confidence, finding.detector, finding.reason, finding.determinant]


def _read(text: str) -> Iterator[Finding]:
    """The findings of one part: JSON with the number of rows of each, and after a NUL the rows themselves."""
    head, _, encoded = text.partition("\0")
    rows = array("i")
    rows.frombytes(base64.b64decode(encoded))
    start = 0
    for column, new, confidence, detector, reason, determinant, size in json.loads(head):
        given = (determinant[0], determinant[1]) if determinant else None
        yield Finding(column, rows[start : start + size], new, confidence, detector, reason, given)
        start += size


def profile(db: Connection, table: EncodedTable) -> list[dict[str, Any]]:
    """What each column of a table holds."""
    send(db, table)
    profiles: list[dict[str, Any]] = json.loads(analyses.ask(db, _TASK, {"do": "profile"}))
    return profiles


def duplicates(db: Connection, table: EncodedTable, threshold: float) -> list[tuple[int, int, float, list[int]]]:
    """Pairs of rows that are at least that similar, the most alike first, with the columns in which they differ."""
    send(db, table)
    pairs = json.loads(analyses.ask(db, _TASK, {"do": "duplicates", "threshold": threshold}))
    return [(first, second, score, differs) for first, second, score, differs in pairs]
