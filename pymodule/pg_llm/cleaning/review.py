"""Which cells to ask a person about (active learning): doubtful repairs, and forms of values that nobody doubts.

What is asked has the highest expected gain: how many cells are like it, how probably they are wrong, and how probably
an answer tells. Each answer in a column makes others there worth less; a form that was found wrong is asked about until
it is learnt.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pg_llm.cleaning.runs import Run
from pg_llm.cleaning.target_table import Value
from pg_llm.database import table_access
from pg_llm.database.connection import Connection, Row

_NULL = "NULL"
# How probably a cell is wrong before anybody was asked: missing or of a form that is known to be right, of the one form
# of a column, plain or with signs, of the most frequent of several forms, and of the others.
_OF_RIGHT, _OF_ONE_FORM, _OF_SIGNS, _OF_MANY, _OF_MINORITY = 0.005, 0.02, 0.05, 0.08, 0.3
_MAJORITY = 0.95
_PLAIN = re.compile(r"a|Aa|[-+]?9(?:[.,]9)?|9-9-9")
# How probably one more answer teaches what is wrong with a form, by the answers so far that it is. From so many on, it
# is asked what single values should be, and the first answer is worth less than the second, which bears it out.
_LEARNT = (0.5, 1.0, 0.6, 0.2, 0.1)
_UNLEARNT = 3
_FIRST, _ONCE = 0.4, 0.9
# What an answer to one doubt says of the others of its detector in its column.
_SHARED = 0.2
_LEARNT_BY = "learnt"
_PRIVATE = ("gain", "of_detector", "detector")
# Rows whose values are looked at.
_SAMPLE = 10_000
_MAX_LENGTH = 200
# Of each column as many doubts as may be asked about, the ones with the highest gain. What is missing in one row, and
# has no repair, tells nothing of other rows.
_DOUBTED = """
    SELECT c.key, c."column", c.old, c.new, c.confidence, c.reason, c.alike, c.detector, c.gain, c.of_detector
    FROM (
        SELECT c.*, sum(c.gain) OVER (PARTITION BY c."column", c.detector) AS of_detector,
               row_number() OVER (PARTITION BY c."column" ORDER BY c.gain DESC, c.key) AS rank
        FROM (
            SELECT c.key::text AS key, c."column"::text AS "column", c.old, c.new, c.confidence, c.reason, c.alike,
                   c.detector, (CASE WHEN c.old IS NULL AND c.new IS NULL THEN 1 ELSE c.alike END
                   * (1.01 - coalesce(c.confidence, 0.5)))::float8 AS gain
            FROM (
                SELECT c.*, count(*) OVER same AS alike, row_number() OVER (same ORDER BY c.key) AS place
                FROM llm.change AS c
                WHERE c.run = $1::uuid AND c.state IN ('found', 'proposed')
                AND NOT EXISTS (
                    SELECT FROM llm.mark AS m WHERE m.run = c.run AND m.key = c.key AND m."column" = c."column"
                )
                WINDOW same AS (PARTITION BY c."column", c.detector, coalesce(c.given::text, c.old), c.new)
            ) AS c
            WHERE c.place = 1
        ) AS c
    ) AS c
    WHERE c.rank <= $2
    ORDER BY c.gain DESC, c."column", c.key
"""
_CHANGED = """
    SELECT c.key::text AS key, c."column"::text AS "column" FROM llm.change AS c
    WHERE c.run = $1::uuid AND c.key = ANY($2::jsonb[]) AND c.detector <> 'mark'
"""


@dataclass(slots=True)
class Form:
    """Cells of a column whose values are written alike, and which no detector doubts.

    `right` counts the answers that said so, `wrong` those that gave another value, by the value; `share` is that of the
    column's cells.
    """

    column: str
    form: str
    cells: list[tuple[str, Value]] = field(default_factory=list)
    right: int = 0
    wrong: Counter[Value] = field(default_factory=Counter)
    share: float = 1.0
    is_known: bool = False
    asked: Counter[Value] = field(default_factory=Counter)

    @property
    def probability(self) -> float:
        """How probably a cell of it is wrong."""
        wrong = self.wrong.total()
        if wrong:
            return (1 + wrong) / (2 + wrong + self.right)
        # The form is right, or some share of its cells is wrong, each share as probable as any other.
        return 2 * self._prior / ((1 + self.right) * (2 + self.right))

    @property
    def _prior(self) -> float:
        if self.form == _NULL or self.is_known:
            return _OF_RIGHT
        if self.share > _MAJORITY:
            return _OF_ONE_FORM if _PLAIN.fullmatch(self.form) else _OF_SIGNS
        return _OF_MANY if self.share > 1 - self.share else _OF_MINORITY

    def question(self) -> tuple[float, int]:
        """How many of its cells one more answer is expected to mend, and the place of the cell to ask about.

        An answer shows how all are to be written; where several have not, it shows what one value should be, if a
        second answer confirms it.
        """
        asked = self.asked.total()
        expected = self.wrong.total() + asked * self.probability
        again = self.wrong + self.asked
        if self.wrong.total() < _UNLEARNT:
            share = _LEARNT[min(round(expected), len(_LEARNT) - 1)] / (1 + asked * (1 - self.probability))
            place = next((place for place, (_, old) in enumerate(self.cells) if not again[old]), 0)
            return len(self.cells) * self.probability * share, place
        counts = Counter(old for _, old in self.cells)
        gains = {old: count * (_ONCE if again[old] == 1 else _FIRST) for old, count in counts.items() if again[old] < 2}
        best = max(gains, key=lambda old: gains[old], default=self.cells[0][1])
        place = next(place for place, (_, old) in enumerate(self.cells) if old == best)
        return gains.get(best, 0.0) * self.probability, place


def cells_to_ask(db: Connection, run: Run, limit: int) -> list[dict[str, Any]]:
    """At most so many unmarked cells, each with the number of those that are like it."""
    doubted = db.rows(_DOUBTED, ("text", "bigint"), (run.id, limit))
    forms, factor, answered = _forms(db, run)
    return choose(doubted, forms, factor, answered, limit)


def choose(
    doubted: Sequence[Row], forms: Sequence[Form], factor: float, answered: Mapping[str, int], limit: int
) -> list[dict[str, Any]]:
    """The questions with the highest expected gain; a doubt is worth less, the more was asked in its column.

    `factor` is how many rows stand for one of those that the forms were read from, `answered` counts answers by column.
    """
    in_column = Counter(answered)
    doubts: defaultdict[tuple[str, str], deque[Row]] = defaultdict(deque)
    for row in doubted:
        doubts[row["column"], row["detector"]].append(row)
    questions = {place: form.question() for place, form in enumerate(forms) if form.cells}
    asked: list[dict[str, Any]] = []
    while len(asked) < limit and (doubts or questions):
        kind = max(doubts, key=lambda kind: _gain(doubts[kind][0], in_column), default=None)
        place = max(questions, key=lambda place: questions[place][0], default=None)
        of_form = -1.0 if place is None else factor * questions[place][0]
        if kind is not None and _gain(doubts[kind][0], in_column) >= of_form:
            row = doubts[kind].popleft()
            if not doubts[kind]:
                del doubts[kind]
            question = {name: value for name, value in row.items() if name not in _PRIVATE}
        else:
            assert place is not None
            question = _ask(forms[place], questions.pop(place)[1], factor)
            if forms[place].cells:
                questions[place] = forms[place].question()
        in_column[question["column"]] += 1
        asked.append(question)
    return asked


def _gain(doubt: Row, answers: Mapping[str, int]) -> float:
    """How many cells the answer is expected to mend: those that are alike, and some others of the detector."""
    own, of_detector = float(doubt["gain"]), float(doubt["of_detector"])
    before = 1 + answers[doubt["column"]]
    # What answers have taught needs few others to bear it out.
    return (own + _SHARED * (of_detector - own)) / (before**2 if doubt["detector"] == _LEARNT_BY else before)


def _ask(form: Form, place: int, factor: float) -> dict[str, Any]:
    key, old = form.cells.pop(place)
    form.asked[old] += 1
    what = "missing values" if old is None else f"values such as {old[:50]!r}"
    return {
        "key": key,
        "column": form.column,
        "old": old,
        "new": None,
        "confidence": None,
        "reason": f"no detector doubts {what}",
        "alike": max(1, round(factor * (len(form.cells) + 1))),
    }


def _forms(db: Connection, run: Run) -> tuple[list[Form], float, Counter[str]]:
    """The forms of values in a sample of the table, how many rows stand for one of it, and the answers by column."""
    rows, total = _sample(db, run)
    keys = [row["k"] for row in rows]
    changed = {(row["key"], row["column"]) for row in db.rows(_CHANGED, ("text", "text[]"), (run.id, keys))}
    query = 'SELECT key::text AS key, "column"::text AS "column", value FROM llm.mark WHERE run = $1::uuid'
    marks = {(row["key"], row["column"]): row["value"] for row in db.rows(query, ("text",), (run.id,))}
    forms: list[Form] = []
    for number, column in enumerate(run.target.columns):
        if not column.fixed and column.name in run.columns:
            cells = [(row["k"], row[f"c{number}"]) for row in rows if (row["k"], column.name) not in changed]
            answers = {key: value for (key, name), value in marks.items() if name == column.name}
            forms += of_column(column.name, cells, answers)
    return forms, total / max(1, len(rows)), Counter(column for _, column in marks)


def of_column(name: str, cells: Iterable[tuple[str, Value]], answers: Mapping[str, Value]) -> Iterable[Form]:
    """The forms of the cells of a column that no detector changes, with what was answered, by the key of the row."""
    forms: dict[str, Form] = {}
    for key, old in cells:
        written = form_of(old)
        form = forms.setdefault(written, Form(name, written))
        if key not in answers:
            form.cells.append((key, old))
        elif (truth := answers[key]) == old:
            form.right += 1
        else:
            # Another value in the same form says nothing of the form.
            form.wrong[old] += truth is None or form_of(truth) != written
            if truth is not None:
                forms.setdefault(form_of(truth), Form(name, form_of(truth))).is_known = True
    total = sum(len(form.cells) for form in forms.values()) or 1
    for form in forms.values():
        form.share = len(form.cells) / total
    return forms.values()


def form_of(value: Value) -> str:
    """The kind of each part of a value: 9 for digits, a, A or Aa for words by their case."""
    if value is None:
        return _NULL
    written = re.sub(r"\d+", "9", value[:_MAX_LENGTH])
    words = re.sub(r"[^\W\d_]+", lambda word: "a" if word[0].islower() else "A" if word[0].isupper() else "Aa", written)
    return re.sub(r"\b(\w+)(?:\s+\1\b)+", r"\1", words)


def _sample(db: Connection, run: Run) -> tuple[list[Row], float]:
    """Some rows, and how many the table has, about."""
    target = run.target
    values = "".join(f", {target.table.text(column.name)} AS c{n}" for n, column in enumerate(target.columns))
    query = f"SELECT {target.table.key_object}::text AS k{values} FROM {target.table.relation} AS t LIMIT {_SAMPLE}"
    rows = table_access.on_table(db, target.table.oid, partial(db.query_unprepared, query))
    size = "SELECT coalesce(sum(c.reltuples), 0)::float8 AS n FROM pg_class AS c WHERE c.relkind = 'r' AND "
    total = float(db.query_unprepared(size + target.table.tree)[0]["n"]) if len(rows) == _SAMPLE else 0.0
    return rows, max(total, float(len(rows)))
