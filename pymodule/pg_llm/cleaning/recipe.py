"""The accepted repairs of a run as rules for rows to come: by transformations, by the old value, or by another column.

A rule is taken only if nothing that the run knows contradicts it. From repairs of single rows none follows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pg_llm.cleaning import step_script, target_table
from pg_llm.cleaning.interruptible import garbage_collection_paused
from pg_llm.cleaning.runs import Run
from pg_llm.cleaning.step_script import Transformation
from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database.connection import Connection

_CHOSEN = ("applied", "accepted")
_PROPOSED = (*_CHOSEN, "proposed", "restored")
# Detectors that judge a cell by its row, so that the same value may be right in another one.
_BY_ROW = ("dependency", "rule")
_BY_CELL = {
    "mark": "the marks of single cells say nothing about other rows",
    "balance": "the numbers of the row decide together, and not one value",
    "source": "what other rows report of the same thing decides, and not the value",
}
_CONTRADICTED = "equal values were left, or repaired otherwise, in other rows, or the column cannot hold them"
_PARTIAL = "the expression may fail, which only a trigger can bear"
_GONE = "the table has no such column any more"

_Change = dict[str, Any]


class Condition(NamedTuple):
    """What decides: the old value, and perhaps the value `given` of another column, by its position."""

    old: Value
    column: int | None = None
    given: Value = None


# Conditions with new values, by the position of the column that changes.
Rules = dict[int, dict[Condition, Value]]


@dataclass(slots=True)
class Step:
    """A step of the run: how many of its accepted cells have rules, and why others have none."""

    number: int
    column: str
    description: str
    cells: int = 0
    covered: int = 0
    rules: dict[tuple[int, Condition], Value] = field(default_factory=dict)
    reasons: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Transformations and rules for single values, and what the steps have of both."""

    target: TargetTable
    transformations: Sequence[Transformation]
    rules: Rules
    steps: Sequence[Step]

    @property
    def positions(self) -> list[int]:
        """The columns that change."""
        return sorted({each.position for each in self.transformations} | self.rules.keys())


def find(db: Connection, run: Run, target: TargetTable, excluded: Mapping[str, str], total: bool) -> Recipe:
    """The recipe of a run for a table, its own or another with such columns.

    `excluded` columns, which have a reason each, get no rules; if `total`, there are no transformations that fail for
    some values.
    """
    changes = db.rows(
        'SELECT key::text AS key, "column"::text AS "column", old, new, given::text AS given, step, state, detector'
        " FROM llm.change WHERE run = $1::uuid ORDER BY key",
        ("text",),
        (run.id,),
    )
    with garbage_collection_paused():
        keys, content = target_table.content(db, run.target)
        by_name = dict(zip((column.name for column in run.target.columns), content, strict=True))
        columns = [by_name.get(column.name, [None] * len(keys)) for column in target.columns]
        return _Compiler(db, run, target, changes, keys, columns).compile(excluded, total)


class _Compiler:
    def __init__(
        self,
        db: Connection,
        run: Run,
        target: TargetTable,
        changes: Sequence[_Change],
        keys: Sequence[str],
        content: Sequence[Sequence[Value]],
    ) -> None:
        self._db, self._run, self._target = db, run, target
        self._changes, self._keys, self._content = changes, keys, content
        self._places = {column.name: place for place, column in enumerate(target.columns)}

    def compile(self, excluded: Mapping[str, str], total: bool) -> Recipe:
        excluded = dict(excluded) | {
            each["column"]: _GONE for each in self._changes if each["column"] not in self._places
        }
        chosen = [each for each in self._changes if each["state"] in _CHOSEN]
        usable = [each for each in chosen if each["column"] not in excluded and each["detector"] not in _BY_CELL]
        steps = {each["step"] for each in usable}
        examples = [
            each
            for each in self._changes
            if each["step"] in steps and each["state"] in _PROPOSED and each["detector"] not in _BY_ROW
        ]
        found = step_script.find(self._db, self._run.id, self._target, self._content, examples)
        made = [each for each in found if each.is_total or not total]
        partial = [each for each in found if each not in made]
        single = [change for change in usable if not any(each.covers(change) for each in made)]
        rules = self._rules(single)
        numbers = self._steps(chosen)
        for change in chosen:
            step = numbers[change["step"]]
            step.cells += 1
            reason = excluded.get(change["column"]) or _BY_CELL.get(change["detector"])
            if reason is None and not any(each.covers(change) for each in made):
                place, condition = self._condition(change)
                if condition in rules.get(place, {}):
                    step.rules[place, condition] = change["new"]
                else:
                    reason = _PARTIAL if any(each.covers(change) for each in partial) else _CONTRADICTED
            if reason is None:
                step.covered += 1
            else:
                step.reasons[reason] = None
        return Recipe(self._target, made, rules, sorted(numbers.values(), key=lambda each: each.number))

    def _condition(self, change: _Change) -> tuple[int, Condition]:
        """The column that a change is of, and what decided."""
        for name, value in json.loads(change["given"] or "{}").items():
            if name in self._places:
                return self._places[change["column"]], Condition(change["old"], self._places[name], value)
        return self._places[change["column"]], Condition(change["old"])

    def _rules(self, changes: Sequence[_Change]) -> Rules:
        """What follows from the old value alone, and from another column, of changes that nothing contradicts."""
        news: defaultdict[tuple[int, Condition], set[Value]] = defaultdict(set)
        for change in changes:
            news[self._condition(change)].add(change["new"])
        contradicted = {*self._contradictions(news), *self._not_held(news)}
        rules: Rules = {}
        for (place, condition), new in news.items():
            if len(new) == 1 and (place, condition) not in contradicted:
                rules.setdefault(place, {})[condition] = next(iter(new))
        return rules

    def _not_held(self, news: Mapping[tuple[int, Condition], set[Value]]) -> Iterator[tuple[int, Condition]]:
        """Conditions on values, or with new ones, that the column cannot hold: it may have another type by now."""
        for place in {place for place, _ in news}:
            column = self._target.columns[place]
            here = {condition: new for (of, condition), new in news.items() if of == place}
            values = {value for condition, new in here.items() for value in (condition.old, *new)}
            invalid = target_table.invalid_values(self._db, self._target, column, list(values))
            yield from ((place, each) for each, new in here.items() if not invalid.isdisjoint({each.old, *new}))

    def _contradictions(self, news: Mapping[tuple[int, Condition], set[Value]]) -> Iterator[tuple[int, Condition]]:
        """The conditions that held for cells which were left as they are, or were to become something else."""
        touched: set[tuple[str, str]] = set()
        by_row: set[tuple[int, Value]] = set()
        for change in self._changes:
            touched.add((change["key"], change["column"]))
            if change["column"] not in self._places:
                continue
            place, condition = self._condition(change)
            if change["state"] not in _PROPOSED or news.get((place, condition), {change["new"]}) != {change["new"]}:
                yield place, condition
                yield place, Condition(change["old"])
            if change["detector"] in _BY_ROW and (place, condition) in news:
                by_row.add((place, change["old"]))
        yield from self._marked_right()
        # What a detector that judges by the row left alone is right there.
        for place in {place for place, _ in by_row}:
            name = self._target.columns[place].name
            others = {condition.column for of, condition in news if of == place} - {None}
            for row, old in enumerate(self._content[place]):
                if (place, old) in by_row and (self._keys[row], name) not in touched:
                    yield place, Condition(old)
                    for other in others:
                        assert other is not None
                        yield place, Condition(old, other, self._content[other][row])

    def _marked_right(self) -> Iterator[tuple[int, Condition]]:
        query = 'SELECT key::text AS key, "column"::text AS "column", value FROM llm.mark WHERE run = $1::uuid'
        marks = [row for row in self._db.rows(query, ("text",), (self._run.id,)) if row["column"] in self._places]
        marked = {mark["key"] for mark in marks}
        rows = {key: row for row, key in enumerate(self._keys) if key in marked}
        for mark in marks:
            place = self._places[mark["column"]]
            if mark["key"] in rows and self._content[place][rows[mark["key"]]] == mark["value"]:
                yield place, Condition(mark["value"])

    def _steps(self, chosen: Sequence[_Change]) -> dict[int | None, Step]:
        query = 'SELECT step, "column"::text AS "column", description FROM llm.step WHERE run = $1::uuid'
        known = {row["step"]: row for row in self._db.rows(query, ("text",), (self._run.id,))}
        steps: dict[int | None, Step] = {}
        for change in chosen:
            row = known.get(change["step"], {"column": change["column"], "description": "repairs without a step"})
            steps.setdefault(change["step"], Step(change["step"] or 0, row["column"], row["description"]))
        return steps
