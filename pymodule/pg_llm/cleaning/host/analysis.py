"""The task `table_analysis`: a process of the session's own reads a table column by column and finds its errors.

Each message says in `do` what it is: the table (`begin`, `values`, `codes`), a step of the search (`detect`,
`combine`, `part`), or a question (`detectors`, `profile`, `duplicates`). What was found of a table is kept until
another one comes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pg_llm.cleaning.host import profile
from pg_llm.cleaning.host.detectors import duplicates
from pg_llm.cleaning.host.detectors.ensemble import DETECTORS, Ensemble
from pg_llm.cleaning.host.table import Column, Finding, Table
from pg_llm.errors import Error

# Findings in one part of the answer.
_PART = 20_000


class _Session:
    """The table that is being read, and what is known of the last one that was read to its end."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values: list[list[str]] = []
        self._codes: list[list[bytes]] = []
        self._hash = hashlib.sha256()
        self._begun = self._complete = False
        self._digest = b""
        self._ensemble: Ensemble | None = None
        self._parts: list[str] = []

    def begin(self, names: list[str]) -> None:
        """A table with these columns follows."""
        self._names = names
        self._values = [[] for _ in names]
        self._codes = [[] for _ in names]
        self._hash = hashlib.sha256(json.dumps(names).encode())
        self._begun, self._complete = True, False

    def add_values(self, column: int, count: int, text: str) -> None:
        """The next values of a column."""
        self._hash.update(text.encode("utf-8", "surrogatepass") + b"\0")
        self._values[column] += text.split("\0") if count else []

    def add_codes(self, column: int, text: str) -> None:
        """The next rows of a column."""
        self._hash.update(text.encode())
        self._codes[column].append(base64.b64decode(text))

    def ensemble(self) -> Ensemble:
        """The detectors on the table. Raises Error if the process has lost it."""
        if not self._begun:
            raise Error("the process that analysed the table has ended", hint="Call the function again.")
        if not self._complete:
            digest = self._hash.digest()
            if digest != self._digest:
                self._ensemble = Ensemble(Table([self._column(place) for place in range(len(self._names))]))
                self._digest = digest
            self._values, self._codes = [], []
            self._complete = True
        assert self._ensemble is not None
        return self._ensemble

    def _column(self, place: int) -> Column:
        codes = np.frombuffer(b"".join(self._codes[place]), dtype=np.int32)
        return Column(self._names[place], self._values[place], codes)

    def combine(self, knowledge: dict[str, Any]) -> int:
        """Search with marks, corrections and violated rules; the number of parts that the findings come in."""
        ensemble = self.ensemble()
        ensemble.table.marks = {(row, column): value for row, column, value in knowledge["marks"]}
        ensemble.table.corrections = [(column, old, new) for column, old, new in knowledge["corrections"]]
        violations = [
            Finding(column, np.array(rows), new, confidence, detector, reason)
            for column, new, confidence, detector, reason, _, rows in knowledge["violations"]
        ]
        declared = [(left, right) for left, right in knowledge["declared"]]
        findings = ensemble.combine(declared, violations)
        self._parts = [_written(findings[start : start + _PART]) for start in range(0, len(findings), _PART)]
        return len(self._parts)

    def take_part(self, number: int) -> str:
        """One part of the findings."""
        return self._parts[number]


def _written(findings: Sequence[Finding]) -> str:
    heads = [
        [each.column, each.new, each.confidence, each.detector, each.reason, each.determinant, len(each.rows)]
        for each in findings
    ]
    rows = np.concatenate([each.rows for each in findings]).astype(np.int32)
    return f"{json.dumps(heads)}\0{base64.b64encode(rows.tobytes()).decode()}"


_session = _Session()


def run_in_worker(options: dict[str, Any], *texts: str) -> str:
    """The answer to one message: empty, or JSON."""
    match options["do"]:
        case "begin":
            _session.begin(options["columns"])
        case "values":
            _session.add_values(options["column"], options["count"], texts[0])
        case "codes":
            _session.add_codes(options["column"], texts[0])
        case "detectors":
            return json.dumps(DETECTORS)
        case "detect":
            declared = [(left, right) for left, right in options["declared"]]
            _session.ensemble().detect(options["detector"], declared)
        case "combine":
            return str(_session.combine(json.loads(texts[0])))
        case "part":
            return _session.take_part(options["part"])
        case "profile":
            return json.dumps(profile.of_table(_session.ensemble().table))
        case "duplicates":
            return json.dumps(list(_pairs(_session.ensemble().table, options["threshold"])))
    return ""


def _pairs(table: Table, threshold: float) -> Iterator[tuple[int, int, float, Sequence[int]]]:
    found = duplicates.find_duplicates(table, threshold)
    for pair in sorted(found, key=lambda pair: -pair.score):
        yield pair.first, pair.second, pair.score, pair.differs
