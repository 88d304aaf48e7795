"""What a chart is drawn from: columns that are times, numbers or categories, of values that can be drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

Role = Literal["time", "number", "category"]

NULL = "NULL"
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "interval")
_WHOLE = ("smallint", "integer", "bigint")
# Beyond it a renderer's scales overflow.
_LARGEST = 1e300
_LONGEST_LABEL = 120
_LONGEST_NAME = 100
# What XML, and with it SVG, cannot hold; half a pair of UTF-16; line ends, as a label has one line.
_UNDRAWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
# Names that every object of JavaScript has: Vega takes a text that is one of them for something of its own.
_OBJECT = (
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
)
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"))
_FEWEST_YEARS = 3
_YEARS = range(1900, 2101)


@dataclass(frozen=True, slots=True)
class Column:
    """One column; a value that cannot be drawn is None. `exact` has numbers as they were given."""

    name: str
    role: Role
    values: list[Any]
    exact: list[Any]

    @property
    def whole(self) -> bool:
        """Whether all numbers are integers."""
        return all(value is None or value.is_integer() for value in self.values)

    @property
    def years(self) -> bool:
        """Whether the numbers look like years that follow each other."""
        known = [value for value in self.values if value is not None]
        return (
            len(known) == len(self.values) >= _FEWEST_YEARS
            and self.whole
            and all(int(value) in _YEARS for value in known)
            and (known == sorted(known) or known == sorted(known, reverse=True))
        )


@dataclass(frozen=True, slots=True)
class Table:
    """The columns, and how many rows they have."""

    columns: list[Column]
    height: int

    def of(self, role: Role) -> list[Column]:
        """The columns of a role, in order."""
        return [column for column in self.columns if column.role == role]


def table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> Table:
    """The table that a query's columns, as names with types, and rows make."""
    found: list[Column] = []
    for place, (name, kind) in enumerate(columns):
        given = [row[place] for row in rows]
        role = _role(name, kind, len(columns))
        title = label(name, _LONGEST_NAME)
        if kind == "interval":
            seconds = [_seconds(value) for value in given]
            factor, unit = _unit(seconds)
            given = [None if value is None else value / factor for value in seconds]
            title = f"{title} ({unit})"
        values = [_READ[role](value) for value in given]
        found.append(Column(title, role, values, given))
    return Table(found, len(rows))


def label(text: str, longest: int = _LONGEST_LABEL) -> str:
    """The text as one line that can be drawn, cut where it is very long."""
    plain = _UNDRAWABLE.sub(" ", text[: 4 * longest]).strip()
    if plain in _OBJECT:
        return f"{plain} "
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def _role(name: str, type: str, columns: int) -> Role:
    if type == "date" or type.startswith("timestamp"):
        return "time"
    # A key says which row it is, and measures nothing.
    key = type in _WHOLE and columns > 1 and (name.lower() == "id" or name.lower().endswith("_id"))
    return "number" if type in _NUMBERS and not key else "category"


def _number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) < _LARGEST else None


def _time(value: Any) -> str | None:
    """In ISO 8601 and UTC, whatever the zone was: an axis shows the time that the query showed."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value.isoformat() if isinstance(value, date) else str(value))
    except ValueError:
        return None
    found = found.replace(tzinfo=None)
    if not (found.hour or found.minute or found.second or found.microsecond):
        return found.date().isoformat()
    return found.isoformat(timespec="milliseconds" if found.microsecond >= 1000 else "seconds") + "Z"


def _category(value: Any) -> str:
    if value is None:
        return NULL
    return label(str(value).lower() if isinstance(value, bool) else str(value))


_READ: dict[Role, Any] = {"number": _number, "time": _time, "category": _category}


def _seconds(value: Any) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, int | float | Decimal) else None


def _unit(seconds: Sequence[float | None]) -> tuple[float, str]:
    """The largest unit that the longest interval has at least two of, in seconds, and its sign."""
    longest = max((abs(value) for value in seconds if value is not None and math.isfinite(value)), default=0.0)
    return next((each for each in _UNITS if longest >= 2 * each[0]), _UNITS[-2] if not longest else _UNITS[-1])
