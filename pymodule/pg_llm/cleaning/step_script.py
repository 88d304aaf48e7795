"""Steps of a recipe as SQL: transformations where some are known that do the same, and no more, to all values."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm.cleaning import expressions
from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database import models
from pg_llm.database.connection import Connection, DatabaseError

# Stands for the column where a step is checked.
_NAME = "c"
_TEXTS = ("text", "character varying")
# A cast fails for texts that are none of its type.
_CASTS = ("::", "to_date(", "date '")


@dataclass(frozen=True, slots=True)
class Transformation:
    """A part of a step in SQL on a column {c}: where it applies, what it makes, of which values.

    It changes the column at `position`. If `source` is another one, it makes its values of that, where there is none.
    """

    step: int
    position: int
    source: int
    description: str
    condition: str
    expression: str
    covered: frozenset[Value]

    def covers(self, change: Mapping[str, Any]) -> bool:
        """Whether it makes that change."""
        return change["step"] == self.step and _basis(change)[1] in self.covered

    @property
    def is_total(self) -> bool:
        """Whether it fails for no value."""
        return not any(cast in self.condition + self.expression for cast in _CASTS)

    def on(self, target: TargetTable, cell: Callable[[str], str]) -> tuple[str, str]:
        """The condition and the expression, `cell` being SQL for a column by its name."""
        name = cell(target.columns[self.source].name)
        condition, expression = self.condition.format(c=name), self.expression.format(c=name)
        if self.source == self.position:
            return condition, expression
        return f"coalesce({cell(target.columns[self.position].name)}, '') = '' AND {condition}", expression


def _basis(change: Mapping[str, Any]) -> tuple[str, Value]:
    """The column and the value that a change was made of."""
    for name, value in json.loads(change["given"] or "{}").items():
        return name, value
    return change["column"], change["old"]


def find(
    db: Connection, run_id: str, target: TargetTable, content: Sequence[Sequence[Value]], changes: Sequence[Any]
) -> list[Transformation]:
    """Transformations that make of old values of the changes what their steps made, and leave those that are there now.

    Values that a later change of the run has, and which are still there, may be made what that change says.
    """
    pairs: defaultdict[int, dict[Value, Value]] = defaultdict(dict)
    sources: dict[int, str] = {}
    for change in changes:
        if change["step"] is not None:
            sources[change["step"]], value = _basis(change)
            pairs[change["step"]][value] = change["new"]
    steps = db.rows(
        'SELECT step, "column"::text AS "column", detector, description, condition, expression FROM llm.step'
        " WHERE run = $1::uuid ORDER BY step",
        ("text",),
        (run_id,),
    )
    positions = {column.name: place for place, column in enumerate(target.columns)}

    def is_text(name: str) -> bool:
        # What a recipe cannot have of a table whose column is gone, it does without.
        return name in positions and target.columns[positions[name]].type.startswith(_TEXTS)

    steps = [step for step in steps if step["step"] in pairs and is_text(step["column"])]
    steps = [step for step in steps if is_text(sources[step["step"]])]
    found = []
    for step, programs in zip(steps, _programs(db, steps, pairs), strict=True):
        position = positions[step["column"]]
        source = positions[sources[step["step"]]]
        wanted = pairs[step["step"]]
        left = dict(wanted)
        here = zip(content[source], content[position], strict=True)
        present = {value for value, own in here if value is not None and (source == position or not own)}
        others = {value: value for value in present if value not in wanted}
        for condition, expression in programs:
            made = _made(db, condition.format(c="t.v"), expression.format(c="t.v"), [*left, *others])
            covered = frozenset(value for value in made if value in left)
            if covered and all(made[value] == left.get(value, value) for value in made):
                number, description = step["step"], step["description"]
                found.append(Transformation(number, position, source, description, condition, expression, covered))
                left = {old: new for old, new in left.items() if old not in covered}
    return found


def _programs(
    db: Connection, steps: Sequence[Mapping[str, Any]], pairs: Mapping[int, dict[Value, Value]]
) -> list[list[tuple[str, str]]]:
    """For each step the programs that its changes are examples of, as templates that are no more than expressions.

    Those that come from a table may be what a restored dump, and so the database's owner, wrote there.
    """
    given = [
        json.dumps(
            {name: step[name] for name in ("detector", "description", "condition", "expression")}
            | {"pairs": list(pairs[step["step"]].items())}
        )
        for step in steps
    ]
    if not given:
        return []
    results = models.run_without_model(db, "generalization", given)
    made = [[(each["condition"], each["expression"]) for each in json.loads(result)] for result in results]
    written = {text: _written(text) for programs in made for program in programs for text in program}
    sound = [text for text in dict.fromkeys(written.values()) if text is not None]
    refused = dict(zip(sound, expressions.refusals(db, sound, (_NAME,)), strict=True))
    plain = {text for text, shown in written.items() if shown is not None and refused[shown] is None}
    return [[program for program in programs if plain.issuperset(program)] for programs in made]


def _written(template: str) -> str | None:
    try:
        return template.format(c=_NAME)
    except (ValueError, LookupError, AttributeError):
        return None


def _made(db: Connection, condition: str, expression: str, values: Sequence[Value]) -> dict[Value, Value]:
    """The values that meet the condition, with what the SQL makes of them; empty if it fails for one."""
    query = (
        f"SELECT t.v, CASE WHEN {condition} THEN {expression} END AS made FROM unnest($1::text[]) AS t (v)"
        f" WHERE ({condition}) AND t.v IS NOT NULL"
    )
    try:
        with db.savepoint():
            rows = db.query_unprepared(query, ("text[]",), (list(values),))
    except DatabaseError as error:
        # A value to which the expression cannot be applied.
        if not str(error.sqlstate).startswith(("22", "42")):
            raise
        return {}
    return {row["v"]: row["made"] for row in rows}
