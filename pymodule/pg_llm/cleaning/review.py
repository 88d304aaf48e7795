"""Which cells to ask a person about (active learning): doubtful repairs, and forms of values that nobody doubts.

What is asked decides most others and is least sure; the share of either kind is that of its expected errors. Forms are
asked about in all columns in turn, a form whose answer was another value than its cell's again.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pg_llm.cleaning.runs import Run
from pg_llm.cleaning.target_table import Value
from pg_llm.database import table_access
from pg_llm.database.connection import Connection, Row

# How probable it is that values of a form are wrong which no detector doubts: unasked, asked and right, or wrong.
_UNASKED, _RIGHT, _WRONG = 0.01, 0.0005, 0.9
_MIN_RIGHT = 2
# Rows whose values are looked at.
_SAMPLE = 10_000
_MAX_LENGTH = 200
_DOUBTED = """
    SELECT c.key::text AS key, c."column"::text AS "column", c.old, c.new, c.confidence, c.reason, c.alike,
           sum(c.alike * (1.01 - coalesce(c.confidence, 0))) OVER ()::float8 AS expected
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
    ORDER BY c.alike * (1.01 - coalesce(c.confidence, 0)) DESC, c."column", c.key
    LIMIT $2
"""
_CHANGED = """
    SELECT c.key::text AS key, c."column"::text AS "column" FROM llm.change AS c
    WHERE c.run = $1::uuid AND c.key = ANY($2::jsonb[]) AND c.detector <> 'mark'
"""


@dataclass(slots=True)
class _Form:
    """Cells of a column whose values are written alike, and which no detector doubts."""

    column: str
    form: str
    cells: list[tuple[str, Value]] = field(default_factory=list)
    right: int = 0
    wrong: int = 0
    asked: int = 0

    @property
    def expected(self) -> float:
        """How many of its cells are wrong, by the answers so far."""
        if self.wrong:
            return len(self.cells) * _WRONG
        share = _RIGHT if self.right >= _MIN_RIGHT else _UNASKED / (1 + self.right)
        return len(self.cells) * share


def cells_to_ask(db: Connection, run: Run, limit: int) -> list[dict[str, Any]]:
    """At most so many unmarked cells, each with the number of those that are like it."""
    doubted = db.rows(_DOUBTED, ("text", "int"), (run.id, limit))
    forms, factor = _forms(db, run)
    expected = factor * sum(form.expected for form in forms)
    of_forms = expected / (expected + (doubted[0].pop("expected") if doubted else 0.0) or 1.0)
    asked: list[dict[str, Any]] = []
    number = 0
    others = _ask(forms, factor)
    while len(asked) < limit:
        wanted = number < of_forms * (len(asked) + 1) - 0.5 or not doubted
        question = next(others, None) if wanted else None
        if question is None and not doubted:
            break
        number += wanted
        asked.append(question or doubted.pop(0))
    return [{name: value for name, value in each.items() if name != "expected"} for each in asked]


def _ask(forms: Sequence[_Form], factor: float) -> Iterator[dict[str, Any]]:
    """Cells of forms, the most errors expected first; columns and forms that were asked about wait."""
    in_column: Counter[str] = Counter()
    seen: set[tuple[str, Value]] = set()
    while left := [form for form in forms if form.cells]:
        form = max(left, key=lambda form: form.expected / (1 + form.asked) / (1 + in_column[form.column]))
        place = next((n for n, cell in enumerate(form.cells) if (form.column, cell[1]) not in seen), 0)
        key, old = form.cells.pop(place)
        seen.add((form.column, old))
        form.asked += 1
        in_column[form.column] += 1
        what = "missing values" if old is None else f"values such as {old[:50]!r}"
        yield {
            "key": key,
            "column": form.column,
            "old": old,
            "new": None,
            "confidence": None,
            "reason": f"no detector doubts {what}",
            "alike": max(1, round(factor * (len(form.cells) + 1))),
        }


def _forms(db: Connection, run: Run) -> tuple[list[_Form], float]:
    """The forms of values in a sample of the table, and how many rows stand for one of the sample."""
    rows, total = _sample(db, run)
    keys = [row["k"] for row in rows]
    changed = {(row["key"], row["column"]) for row in db.rows(_CHANGED, ("text", "text[]"), (run.id, keys))}
    query = 'SELECT key::text AS key, "column"::text AS "column", value FROM llm.mark WHERE run = $1::uuid'
    marks = {(row["key"], row["column"]): row["value"] for row in db.rows(query, ("text",), (run.id,))}
    forms: defaultdict[tuple[str, str], _Form] = defaultdict(lambda: _Form("", ""))
    for number, column in enumerate(run.target.columns):
        if column.fixed or column.name not in run.columns:
            continue
        for row in rows:
            cell, old = (row["k"], column.name), row[f"c{number}"]
            if cell in changed and cell not in marks:
                continue
            name = column.name, _form(old)
            form = forms.setdefault(name, _Form(*name))
            if cell not in marks:
                form.cells.append((row["k"], old))
            elif marks[cell] == old:
                form.right += 1
            elif cell not in changed:
                form.wrong += 1
    return list(forms.values()), total / max(1, len(rows))


def _form(value: Value) -> str:
    """The kind of each part of a value: 9 for digits, a for words."""
    if value is None:
        return "NULL"
    return re.sub(r"[^\W\d_]+(?:\s+[^\W\d_]+)*", "a", re.sub(r"\d+", "9", value[:_MAX_LENGTH]))


def _sample(db: Connection, run: Run) -> tuple[list[Row], float]:
    """Some rows, and how many the table has, about."""
    target = run.target
    values = "".join(f", {target.table.text(column.name)} AS c{n}" for n, column in enumerate(target.columns))
    query = f"SELECT {target.table.key_object}::text AS k{values} FROM {target.table.relation} AS t LIMIT {_SAMPLE}"
    rows = table_access.on_table(db, target.table.oid, partial(db.query_unprepared, query))
    size = "SELECT coalesce(sum(c.reltuples), 0)::float8 AS n FROM pg_class AS c WHERE c.relkind = 'r' AND "
    total = float(db.query_unprepared(size + target.table.tree)[0]["n"]) if len(rows) == _SAMPLE else 0.0
    return rows, max(total, float(len(rows)))
