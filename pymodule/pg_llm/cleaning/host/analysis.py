"""The task `table_analysis`: a process of the session's own reads a table and finds its errors.

Each message says in `do` what it is: the table (`begin`, `rows`), a step of the search (`detect`, `combine`, `part`),
or a question (`detectors`, `values`, `profile`). `link` and `link_step` look for duplicates. What was found of a table
is kept until another one comes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pg_llm.cleaning.host import profile
from pg_llm.cleaning.host.detectors.ensemble import DETECTORS, Ensemble
from pg_llm.cleaning.host.linkage.linkage import Duplicate, Linkage
from pg_llm.cleaning.host.table import Column, Finding, Rows, Step, Table, encode
from pg_llm.errors import AnalysisLost

# Stands for NULL among the texts of a column.
_NULL = "\1"
_ALLOWED = Step("the nearest value that a rule allows")
# Findings in one part of the answer.
_PART = 20_000


class _Session:
    """The table that is being read, and what is known of the last one that was read to its end."""

    def __init__(self) -> None:
        self._names: list[str] = []
        # For each column its texts, as they came.
        self._texts: list[list[str]] = []
        self._hash = hashlib.sha256()
        self._begun = self._complete = False
        self._digest = b""
        self._ensemble: Ensemble | None = None
        self._parts: list[str] = []
        self._linking: Iterator[tuple[str, int, int]] = iter(())
        self._linkage = Linkage((), 1.0)

    def begin(self, names: list[str]) -> None:
        """A table with these columns follows."""
        self._names = names
        self._texts = [[] for _ in names]
        self._hash = hashlib.sha256(json.dumps(names).encode())
        self._begun, self._complete = True, False

    def add_rows(self, texts: Sequence[str]) -> None:
        """The next rows: the texts of each column."""
        self._check_begun()
        for place, text in enumerate(texts):
            self._texts[place].append(text)
            self._hash.update(text.encode("utf-8", "surrogatepass") + b"\0")

    def ensemble(self) -> Ensemble:
        """The detectors on the table. Raises Error if the process has lost it."""
        self._check_begun()
        if not self._complete:
            digest = self._hash.digest()
            if digest != self._digest:
                self._ensemble = None
                self._ensemble = Ensemble(Table([self._column(place) for place in range(len(self._names))]))
                self._digest = digest
            self._texts = []
            self._complete = True
        assert self._ensemble is not None
        return self._ensemble

    def _check_begun(self) -> None:
        if not self._begun:
            raise AnalysisLost("the process that analysed the table has ended")

    def _column(self, place: int) -> Column:
        # One column after the other, as each needs a dictionary of its values while it is read.
        texts, self._texts[place] = self._texts[place], []
        values = (None if value == _NULL else value for text in texts for value in text.split("\0"))
        return Column(self._names[place], *encode(values))

    def combine(self, knowledge: dict[str, Any]) -> int:
        """Search with marks, corrections and violated rules; the number of parts that the findings come in."""
        ensemble = self.ensemble()
        ensemble.table.marks = {(row, column): value for row, column, value in knowledge["marks"]}
        ensemble.table.corrections = [(column, old, new) for column, old, new in knowledge["corrections"]]
        ensemble.table.decisions = {
            ((row, column), new): accepted for row, column, new, accepted in knowledge["decisions"]
        }
        violations = [
            Finding(
                column, _rows(ensemble.table.columns[column], cells), new, confidence, "rule", reason, step=_ALLOWED
            )
            for column, cells, new, confidence, reason in knowledge["violations"]
        ]
        declared = [(left, right) for left, right in knowledge["declared"]]
        findings = ensemble.combine(declared, violations)
        self._parts = [
            _written(ensemble.table, findings[start : start + _PART]) for start in range(0, len(findings), _PART)
        ]
        return len(self._parts)

    def link(self, threshold: float) -> None:
        """Begin to look for duplicates."""
        self._linkage = Linkage(self.ensemble().table.columns, threshold)
        self._linking = self._linkage.steps()

    def link_step(self) -> str:
        """Do the next step; its phase, how much is done and how much there is, or, at the end, the number of parts."""
        self._check_begun()
        for step in self._linking:
            return json.dumps(step)
        pairs = self._linkage.duplicates
        self._parts = [
            json.dumps([_duplicate(self.ensemble().table, pair) for pair in pairs[start : start + _PART]])
            for start in range(0, len(pairs), _PART)
        ]
        return json.dumps([None, len(self._parts), 0])

    def take_part(self, number: int) -> str:
        """One part of the findings. Raises Error if the process has lost them."""
        self._check_begun()
        return self._parts[number]


def _rows(column: Column, cells: str | list[int]) -> Rows:
    return column.rows_with(cells) if isinstance(cells, str) else np.array(cells)


def _written(table: Table, findings: Sequence[Finding]) -> str:
    heads = [
        [
            each.column,
            table.columns[each.column].original(int(each.rows[0])),
            each.new,
            each.confidence,
            each.detector,
            each.reason,
            each.determinant,
            each.step and [each.step.description, each.step.condition, each.step.expression],
            len(each.rows),
        ]
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
        case "rows":
            _session.add_rows(texts)
        case "values":
            return json.dumps(list(_session.ensemble().table.columns[options["column"]].counts))
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
        case "link":
            _session.link(options["threshold"])
        case "link_step":
            return _session.link_step()
    return ""


def _duplicate(table: Table, pair: Duplicate) -> tuple[int, int, int, float, list[int]]:
    """Cluster, rows and score of a pair, and the columns in which both have a value and differ."""
    differs = [
        place
        for place, column in enumerate(table.columns)
        if column.codes[pair.first] != column.codes[pair.second]
        and column.codes[pair.first]
        and column.codes[pair.second]
    ]
    return pair.cluster, pair.first, pair.second, pair.score, differs
