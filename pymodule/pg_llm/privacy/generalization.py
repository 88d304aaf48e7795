"""Generalisation for k-anonymity (Datafly, Sweeney 1997): the column with the most values is made coarser by steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InvalidInput
from pg_llm.privacy import anonymity

_MOST_COLUMNS, _MOST_K = 20, 1_000_000
_WHOLE = ("smallint", "integer", "bigint", "numeric")
_DAYS = ("date", "timestamp without time zone", "timestamp with time zone")
_TEXTS = ("text", "character varying", "bpchar")
_LONGEST = 12
# Each step as words and as SQL on the cell; the last one of all leaves nothing.
_STEPS_OF_NUMBERS = (5, 10, 25, 50, 100, 1000, 10_000, 100_000, 1_000_000)
_STEPS_OF_DAYS = ("month", "quarter", "year", "decade", "century")
_NOTHING = ("nothing", "NULL::pg_catalog.text")


@dataclass(slots=True)
class _Column:
    """A column with its steps, of which so many have been taken."""

    name: str
    cell: str
    steps: list[tuple[str, str]]
    taken: int = 0

    @property
    def step(self) -> tuple[str, str]:
        """What it is shown as, in words and as SQL on the row `t`."""
        words, expression = self.steps[self.taken]
        return words, expression.replace("{cell}", self.cell)


def propose(
    db: Connection, target: str, columns: Sequence[str | None] | None, wanted: int | None
) -> list[dict[str, Any]]:
    """A row for each column: what to show instead of it, so that each combination is that of k rows."""
    names = anonymity.names(columns)
    rows = arguments.in_range("wanted", wanted, 2, _MOST_K)
    if len(names) > _MOST_COLUMNS:
        raise InvalidInput(f"quasi_identifiers must name at most {_MOST_COLUMNS} columns")
    table = catalog.relation(db, target, key=names)
    chosen = [_Column(name, table.cell(name), _steps(table, name)) for name in names]
    return table_access.on_table(db, table.oid, lambda: _search(db, table, chosen, rows))


def _search(db: Connection, table: Table, columns: Sequence[_Column], wanted: int) -> list[dict[str, Any]]:
    while True:
        found = _measure(db, table, columns)
        if found["k"] is None or found["k"] >= wanted:
            break
        open_ = [place for place, column in enumerate(columns) if column.taken < len(column.steps) - 1]
        if not open_:
            raise InvalidInput(f"{table.relation} has fewer than {wanted} rows")
        columns[max(open_, key=lambda place: found[f"n{place}"])].taken += 1
    return [
        {
            "column": column.name,
            "generalization": column.step[0],
            "expression": column.step[1].replace(column.cell, quote_ident(column.name)),
            "k": found["k"],
            "groups": found["groups"],
        }
        for column in columns
    ]


def _measure(db: Connection, table: Table, columns: Sequence[_Column]) -> dict[str, Any]:
    """The size of the smallest group, the number of groups, and of values of each column."""
    shown = ", ".join(f"({column.step[1]})::pg_catalog.text AS c{place}" for place, column in enumerate(columns))
    places = ", ".join(f"c{place}" for place in range(len(columns)))
    counts = ", ".join(f"pg_catalog.count(DISTINCT g.c{place}) AS n{place}" for place in range(len(columns)))
    return dict(
        db.query_unprepared(
            f"SELECT pg_catalog.min(g.n) AS k, pg_catalog.count(*) AS groups, {counts} FROM ("
            f"SELECT {places}, pg_catalog.count(*) AS n FROM (SELECT {shown} FROM {table.relation} AS t) AS s"
            f" GROUP BY {places}) AS g"
        )[0]
    )


def _steps(table: Table, name: str) -> list[tuple[str, str]]:
    type_ = table.columns[name]
    whole = ("as it is", type_.text("{cell}"))
    if not type_.builtin:
        return [whole, _NOTHING]
    if type_.name in _WHOLE:
        return [
            whole,
            *((f"steps of {size}", f"pg_catalog.floor({{cell}}::pg_catalog.numeric OPERATOR(pg_catalog./) {size})"
               f" OPERATOR(pg_catalog.*) {size}") for size in _STEPS_OF_NUMBERS),
            _NOTHING,
        ]  # fmt: skip
    if type_.name in _DAYS:
        steps = [(unit, f"pg_catalog.date_trunc('{unit}', {{cell}})::pg_catalog.date") for unit in _STEPS_OF_DAYS]
        return [whole, *steps, _NOTHING]
    if type_.name in _TEXTS:
        text = type_.text("{cell}")
        lengths = range(_LONGEST, 0, -1)
        return [whole, *((f"first {n} characters", f"pg_catalog.left({text}, {n})") for n in lengths), _NOTHING]
    return [whole, _NOTHING]
