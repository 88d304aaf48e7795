"""Aggregates of windows: what is kept of each, how a group's rows give it, how new rows change it.

Distributive and algebraic aggregates (Gray et al. 1997, the data cube) are merged from parts; holistic ones are
computed anew from the rows of their window.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InvalidInput

_CALL = re.compile(r"\s*(\w+)\s*\(\s*(\*|\w+|\"(?:[^\"]|\"\")+\")\s*\)\s*")
_HOLISTIC = {
    "count_distinct": ("count(DISTINCT {})", "int8"),
    "median": ("percentile_cont(0.5) WITHIN GROUP (ORDER BY {}::float8)", "float8"),
    "stddev": ("stddev_samp({}::float8)", "float8"),
}
FUNCTIONS = ("count", "sum", "avg", "min", "max", *_HOLISTIC)
_EXAMPLE = """Write aggregates => '{"payments": "count(*)", "total": "sum(amount)"}'."""
# Sums of these are exact, whatever the order.
_WHOLE = ("smallint", "integer", "bigint", "numeric")
_NUMBERS = (*_WHOLE, "real", "double precision")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate under the name that its column has; `column` is None for count(*)."""

    name: str
    function: str
    column: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A column of the window's table: its type, the aggregate that gives it, and how two of them are merged.

    `merged` has the present value as {a} and that of further rows as {b}; None where it must be computed anew.
    """

    name: str
    type: str
    computed: str
    merged: str | None


def parse(given: Any) -> list[Aggregate]:
    """The aggregates in a JSON object of calls. Raises InvalidInput."""
    if not isinstance(given, dict) or not given:
        raise InvalidInput("aggregates must be a JSON object of calls", hint=_EXAMPLE)
    found = []
    for name, call in given.items():
        match = _CALL.fullmatch(call) if isinstance(call, str) else None
        if match is None or match[1].lower() not in FUNCTIONS or ((match[2] == "*") and match[1].lower() != "count"):
            raise InvalidInput(
                f"not an aggregate that a window can keep: {str(call)[:100]}",
                hint=f"Use one of: {', '.join(FUNCTIONS)}.",
            )
        if not 0 < len(name.encode()) <= 50:
            raise InvalidInput(f'"{name[:80]}" is no name of an aggregate', hint="It has 1 to 50 bytes.")
        written = match[2]
        column = None if written == "*" else written[1:-1].replace('""', '"') if written[0] == '"' else written
        found.append(Aggregate(name, match[1].lower(), column))
    return found


def parts(aggregate: Aggregate, types: Mapping[str, str]) -> list[Part]:
    """What is kept of an aggregate over columns of these types, as columns of a row `t`. Raises InvalidInput."""
    name, function, column = aggregate.name, aggregate.function, aggregate.column
    added = "coalesce({a} + {b}, {a}, {b})"
    if column is None:
        return [Part(name, "int8", "count(*)", "{a} + {b}")]
    if column not in types:
        raise InvalidInput(f'there is no column "{column}" to aggregate', hint=f"There are: {', '.join(types)}.")
    cell, kind = f"t.{quote_ident(column)}", types[column]
    if function in ("sum", "avg", "median", "stddev") and kind not in _NUMBERS:
        raise InvalidInput(f'{function}({column}): "{column}" is no number but {kind}')
    number, cast = ("numeric", "::numeric") if kind in _WHOLE else ("float8", "::float8")
    total = f"sum({cell}{cast})"
    match function:
        case "count":
            return [Part(name, "int8", f"count({cell})", "{a} + {b}")]
        case "sum":
            return [Part(name, number, total, added)]
        case "avg":
            return [
                Part(f"{name}_sum", number, total, added),
                Part(f"{name}_count", "int8", f"count({cell})", "{a} + {b}"),
            ]
        case "min" | "max":
            return [
                Part(name, kind, f"{function}({cell})", ("least" if function == "min" else "greatest") + "({a}, {b})")
            ]
    computed, type_ = _HOLISTIC[function]
    return [Part(name, type_, computed.format(cell), None)]


def derived(aggregate: Aggregate) -> str | None:
    """The definition of a column that is generated from the parts; None where the part is the value."""
    if aggregate.function != "avg":
        return None
    total, count = quote_ident(f"{aggregate.name}_sum"), quote_ident(f"{aggregate.name}_count")
    return f"{quote_ident(aggregate.name)} float8 GENERATED ALWAYS AS (({total} / nullif({count}, 0))::float8) STORED"
