"""The data of a chart: typed columns with values that can be drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal, NamedTuple

Role = Literal["time", "number", "category"]

NULL = "NULL"
_NUMERIC_TYPES = ("smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "interval")
_INTEGER_TYPES = ("smallint", "integer", "bigint")
# Larger numbers overflow the scales of the renderer.
_LARGEST = 1e300
_LONGEST_LABEL = 120
_LONGEST_NAME = 100
_LONGEST_COMMENT = 60
# Characters that XML, and so SVG, cannot contain; lone surrogates; line breaks, as labels have one line.
_UNDRAWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
# Members of every JavaScript object, which Vega would look up instead of the text.
_JAVASCRIPT_NAMES = tuple(
    """
    constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf __defineGetter__
    __defineSetter__ __lookupGetter__ __lookupSetter__ __proto__
""".split()
)
_INTERVAL_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"))
_LEAST_YEARS = _LEAST_STEPS = 3
_YEAR_RANGE = range(1900, 2101)


class ClockChange(NamedTuple):
    """From a position on, a clock that was put back shows so many seconds more than before, which is less than none."""

    position: str
    seconds: int


@dataclass(frozen=True, slots=True)
class ChartColumn:
    """One column; values that cannot be drawn are None. `exact` has the numbers as the query gave them.

    `are_counts` says that the numbers are of the type that count(*) gives. Where the clock was put back among times,
    they are those of a clock that was not, and `clock_changes` says what the other showed.
    """

    name: str
    role: Role
    values: list[Any]
    exact: list[Any]
    are_counts: bool = False
    clock_changes: tuple[ClockChange, ...] = ()

    @property
    def are_integers(self) -> bool:
        """True if all numbers are integers."""
        return all(value is None or value.is_integer() for value in self.values)

    @property
    def are_years(self) -> bool:
        """True if the numbers look like consecutive years."""
        known = [value for value in self.values if value is not None]
        return (
            len(known) == len(self.values) >= _LEAST_YEARS
            and self.are_integers
            and all(int(value) in _YEAR_RANGE for value in known)
            and (known == sorted(known) or known == sorted(known, reverse=True))
        )

    @property
    def are_steps(self) -> bool:
        """True if the numbers are different integers with few between them, as hours, weekdays or grades are."""
        known = {value for value in self.values if value is not None}
        if not _LEAST_STEPS <= len(known) == len(self.values) or any(isinstance(value, float) for value in self.exact):
            return False
        return self.are_integers and max(known) - min(known) < 2 * len(known)


@dataclass(frozen=True, slots=True)
class ChartData:
    """Columns, the number of rows, and whether the query ordered them."""

    columns: list[ChartColumn]
    row_count: int
    ordered: bool = False

    def with_role(self, role: Role) -> list[ChartColumn]:
        """The columns with this role, in order."""
        return [column for column in self.columns if column.role == role]


def chart_data(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Any]],
    titles: Mapping[str, str] | None = None,
    ordered: bool = False,
) -> ChartData:
    """Convert columns (names and types) and rows; `titles` has what to call columns of some names."""
    converted: list[ChartColumn] = []
    for number, (name, kind) in enumerate(columns):
        raw = [row[number] for row in rows]
        role = _role_of(name, kind, len(columns))
        title = label(_title(name, titles or {}), _LONGEST_NAME)
        if kind == "interval":
            seconds = [_to_seconds(value) for value in raw]
            factor, unit = _interval_unit(seconds)
            raw = [None if value is None else value / factor for value in seconds]
            title = f"{title} ({unit})"
        values, changes = _to_times(raw) if role == "time" else ([_CONVERTERS[role](value) for value in raw], ())
        converted.append(ChartColumn(title, role, values, raw, kind == "bigint", changes))
    return ChartData(converted, len(rows), ordered)


def _title(name: str, titles: Mapping[str, str]) -> str:
    """The first line of the column's comment if it is short enough for an axis, else its name."""
    first = titles.get(name, "").strip().partition("\n")[0].strip()
    return first if 0 < len(first) <= _LONGEST_COMMENT else name


def label(text: str, longest: int = _LONGEST_LABEL) -> str:
    """The text on one line without undrawable characters, truncated if it is very long."""
    plain = _UNDRAWABLE.sub(" ", text[: 4 * longest]).strip()
    if plain in _JAVASCRIPT_NAMES:
        return f"{plain} "
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def _role_of(name: str, type: str, columns: int) -> Role:
    if type == "date" or type.startswith("timestamp"):
        return "time"
    # A key identifies rows and measures nothing.
    key = type in _INTEGER_TYPES and columns > 1 and (name.lower() == "id" or name.lower().endswith("_id"))
    return "number" if type in _NUMERIC_TYPES and not key else "category"


def _to_number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < _LARGEST else None


def _to_times(raw: Sequence[Any]) -> tuple[list[str | None], tuple[ClockChange, ...]]:
    """ISO 8601 as UTC without conversion, so that the axis shows the times as the query did.

    Where the clock was put back among times with an offset, two of them would be one: there the clock goes on.
    """
    times = [_to_datetime(value) for value in raw]
    moments = sorted({time for time in times if time is not None and time.tzinfo is not None})
    if not any(later.replace(tzinfo=None) <= time.replace(tzinfo=None) for time, later in pairwise(moments)):
        return [None if time is None else _to_iso(time) for time in times], ()
    zone = moments[0].tzinfo
    elapsed = [None if time is None else _to_iso(time.astimezone(zone) if time.tzinfo else time) for time in times]
    changes = [
        ClockChange(_to_iso(later.astimezone(zone)), round((_offset(later) - _offset(time)).total_seconds()))
        for time, later in pairwise(moments)
        if _offset(later) != _offset(time)
    ]
    return elapsed, tuple(changes)


def _offset(time: datetime) -> timedelta:
    return time.utcoffset() or timedelta()


def _to_datetime(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value.isoformat() if isinstance(value, date) else str(value))
    except ValueError:
        return None


def _to_iso(time: datetime) -> str:
    time = time.replace(tzinfo=None)
    if not (time.hour or time.minute or time.second or time.microsecond):
        return time.date().isoformat()
    return time.isoformat(timespec="milliseconds" if time.microsecond >= 1000 else "seconds") + "Z"


def _to_category(value: Any) -> str:
    if value is None:
        return NULL
    return label(str(value).lower() if isinstance(value, bool) else str(value))


_CONVERTERS: dict[Role, Any] = {"number": _to_number, "category": _to_category}


def _to_seconds(value: Any) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, int | float | Decimal) else None


def _interval_unit(seconds: Sequence[float | None]) -> tuple[float, str]:
    """The largest unit of which the longest interval has at least two: its seconds and symbol."""
    longest = max((abs(value) for value in seconds if value is not None and math.isfinite(value)), default=0.0)
    return next(
        (unit for unit in _INTERVAL_UNITS if longest >= 2 * unit[0]),
        _INTERVAL_UNITS[-2] if not longest else _INTERVAL_UNITS[-1],
    )
