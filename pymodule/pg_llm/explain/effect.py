"""The effect of a treatment on an outcome in the rows of a query, and what it rests on.

The caller says what bears on both (the backdoor criterion: Pearl 1995), or what moves the treatment alone; no rows
can tell that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pg_llm.database import models, query_text, search_path, select
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput
from pg_llm.explain import assumptions
from pg_llm.explain.causal_variables import Variables

METHODS = ("auto", "doubly_robust", "partially_linear", "instrumental_variable")
MOST_ROWS = 50_000
# Rows in all, of each side of a treatment that is given or not, and for each number that is adjusted for.
_LEAST_ROWS, _LEAST_OF_SIDE, _ROWS_PER_NUMBER = 100, 30, 10
_MOST_LEVELS = 50
_LARGEST = 1e100


@dataclass(slots=True)
class _Column:
    """A column's values as numbers; of one of texts their places among its levels."""

    name: str
    is_text: bool
    values: list[float] = field(default_factory=list)
    levels: dict[str, int] = field(default_factory=dict)

    def number(self, value: Any) -> float | None:
        """The value as a number; None for NULL and what is no finite number."""
        if value is None:
            return None
        if self.is_text:
            place = self.levels.setdefault(value, len(self.levels))
            if place == _MOST_LEVELS:
                raise InvalidInput(
                    f'"{self.name}" has more values than the {_MOST_LEVELS} that can be adjusted for',
                    hint="Group them in the query, a city by its region.",
                )
            return place
        number = float(value)
        if math.isfinite(number) and abs(number) > _LARGEST:
            raise InvalidInput(f'"{self.name}" has the value {number:g}, which is too large')
        return number if math.isfinite(number) else None

    def width(self) -> int:
        """How many numbers are adjusted for."""
        return max(len(self.levels) - 1, 1) if self.is_text else 1

    def distinct(self) -> set[float]:
        """The values that there are."""
        return set(self.values)

    def to_wire(self) -> dict[str, Any]:
        """What the task reads; levels are numbered in their order, whichever row came first."""
        order = {place: rank for rank, (_, place) in enumerate(sorted(self.levels.items()))}
        return {"levels": self.is_text, "values": [order[int(v)] for v in self.values] if self.is_text else self.values}


def estimate(db: Connection, query: str, variables: Variables, method: str) -> dict[str, Any]:
    """One row: the effect with its interval of 95 %, what was tried to refute it, and what it rests on."""
    columns, null_rows = _read(db, query, variables)
    outcome, treatment, *others = columns
    confounders, instruments = others[: len(variables.confounders)], others[len(variables.confounders) :]
    _check(columns, instruments, null_rows)
    chosen = _method(method, treatment, bool(instruments))
    given = {
        "method": chosen,
        "outcome": outcome.values,
        "treatment": treatment.values,
        "confounders": [column.to_wire() for column in confounders],
        "instruments": [column.to_wire() for column in instruments],
    }
    with search_path.pinned(db):
        found = json.loads(models.run_without_model(db, "effect", [json.dumps(given)])[0])
    row = {**found, "rows": len(outcome.values), "null_rows": null_rows, "method": chosen}
    return {
        **row,
        "refutations": json.dumps(found["refutations"]),
        "assumptions": assumptions.text(variables, row, found["refutations"], _is_binary(treatment)),
    }


def _read(db: Connection, query: str, variables: Variables) -> tuple[list[_Column], int]:
    """The columns without the rows that lack a value of one of them, and how many these are."""
    text = query_text.without_end(query)
    described = select.columns(db, text) if text else []
    names = [name for name, _ in described]
    for name in variables.names():
        if names.count(name) != 1:
            how_often = "two columns" if name in names else "no column"
            raise InvalidInput(f'the query has {how_often} "{name}"', hint=f"It has: {', '.join(names) or 'none'}.")
    places = [names.index(name) for name in variables.names()]
    columns = [
        _Column(name, _is_text(name, described[place][1], name in variables.confounders))
        for name, place in zip(variables.names(), places, strict=True)
    ]
    values = ", ".join(_value(f"q.c{place}", described[place][1]) + f" AS c{place}" for place in places)
    # By number, as names of columns may be anything.
    selected = f"SELECT {values} FROM ({text}\n) AS q ({', '.join(f'c{place}' for place in range(len(names)))})"
    total = 0
    for row in db.stream(selected):
        total += 1
        if total > MOST_ROWS:
            raise InvalidInput(
                f"the query yields more than {MOST_ROWS:,} rows",
                hint=f"Let it choose some by chance: ORDER BY random() LIMIT {MOST_ROWS}.",
            )
        numbers = [column.number(row[f"c{place}"]) for column, place in zip(columns, places, strict=True)]
        if None not in numbers:
            for column, number in zip(columns, numbers, strict=True):
                column.values.append(float(number or 0.0))
    return columns, total - len(columns[0].values)


def _is_text(name: str, type_: ColumnType, may_be: bool) -> bool:
    is_number = type_.builtin and (type_.name in (*select.NUMERIC_TYPES, "boolean", "date") or _is_time(type_))
    if not is_number and not may_be:
        raise InvalidInput(
            f'"{name}" is of type {type_.name}, and only a confounder may be',
            hint=f"Make it a number or a condition in the query: ({name} = '…') AS {name}.",
        )
    return not is_number


def _is_time(type_: ColumnType) -> bool:
    return type_.name.startswith("timestamp ") or type_.name == "interval"


def _value(column: str, type_: ColumnType) -> str:
    """SQL for a number, or for the text of what is none."""
    if type_.builtin and type_.name in select.NUMERIC_TYPES:
        return f"{column}::pg_catalog.float8"
    if type_.builtin and type_.name == "boolean":
        return f"{column}::pg_catalog.int4"
    if type_.builtin and (type_.name == "date" or _is_time(type_)):
        return f"EXTRACT(epoch FROM {column})::pg_catalog.float8"
    return type_.text(column)


def _check(columns: Sequence[_Column], instruments: Sequence[_Column], null_rows: int) -> None:
    """Raises InvalidInput where the rows are too few, or a variable says nothing."""
    outcome, treatment, *others = columns
    rows = len(outcome.values)
    least = max(_LEAST_ROWS, _ROWS_PER_NUMBER * sum(column.width() for column in others))
    if rows < least:
        without = f"; {null_rows:,} lack a value" if null_rows else ""
        raise InvalidInput(
            f"{rows:,} rows are too few to tell an effect: {least:,} are needed{without}",
            hint="More rows, or fewer confounders and categories.",
        )
    for column in (outcome, treatment, *instruments):
        if len(column.distinct()) < 2:
            raise InvalidInput(f'"{column.name}" has the same value in all rows', hint="Nothing can be compared.")
    if _is_binary(treatment):
        treated = int(sum(treatment.values))
        if min(treated, rows - treated) < _LEAST_OF_SIDE:
            raise InvalidInput(
                f"{treated:,} of {rows:,} rows are treated: at least {_LEAST_OF_SIDE} of each side are needed"
            )


def _is_binary(column: _Column) -> bool:
    return column.distinct() <= {0.0, 1.0}


def _method(method: str, treatment: _Column, has_instruments: bool) -> str:
    """The method that fits. Raises InvalidInput for another one."""
    if method == "auto" and has_instruments:
        return "instrumental_variable"
    if has_instruments != (method == "instrumental_variable"):
        raise InvalidInput(
            f"{method} {'takes no' if has_instruments else 'needs'} instruments",
            hint="method => 'auto' takes what fits.",
        )
    if method == "auto":
        return "doubly_robust" if _is_binary(treatment) else "partially_linear"
    if method == "doubly_robust" and not _is_binary(treatment):
        raise InvalidInput(
            f'"{treatment.name}" has other values than 0 and 1, and doubly_robust compares treated with untreated rows',
            hint="Make it a condition in the query, or use method => 'partially_linear'.",
        )
    return method
