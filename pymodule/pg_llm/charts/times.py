"""Times on an axis: bins of a unit, and the format of labels; all are UTC to the renderer, whatever zone they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from pg_llm.charts.chart_data import ClockChange

# Vega-Lite's time units, the length of their ISO 8601 prefix, and their approximate seconds.
_TIME_UNITS = (
    ("utcyearmonthdatehoursminutesseconds", 19, 1),
    ("utcyearmonthdatehoursminutes", 16, 60),
    ("utcyearmonthdatehours", 13, 3600),
    ("utcyearmonthdate", 10, 86400),
    ("utcyearmonth", 7, 2629746),
    ("utcyear", 4, 31556952),
)
_TIME_ORIGIN = "0000-01-01T00:00:00Z"


def bin_times(times: Sequence[str | None], limit: int, gaps: bool = True) -> tuple[str, int, list[str | None]]:
    """The finest time unit with at most `limit` bins, else years; its prefix length, and the times truncated to it.

    With `gaps`, empty bins count as well.
    """
    full = [time + "T00:00:00Z" if time and len(time) == 10 else time for time in times]
    known = sorted({time for time in full if time is not None})
    seconds = (milliseconds(known[-1]) - milliseconds(known[0])) / 1000 if gaps and known else 0.0
    days = all(time is None or len(time) == 10 for time in times)
    units = _TIME_UNITS[3 if days else 0 :]
    for candidate in units:
        unit, length, duration = candidate
        binned = [None if time is None else _without_midnight(time[:length] + _TIME_ORIGIN[length:]) for time in full]
        if candidate is units[-1] or (len(set(binned)) <= limit and seconds / duration <= limit):
            return unit, length, binned
    raise AssertionError


def _without_midnight(time: str) -> str:
    return time[:10] if time.endswith("T00:00:00Z") else time


def time_format(moments: Sequence[str]) -> str:
    """The label format of a time axis, numeric only, no finer than the sorted times differ."""
    if all(len(moment) == 10 for moment in moments):
        if len(moments) > 1 and all(moment.endswith("-01") for moment in moments):
            return "%Y" if all(moment.endswith("-01-01") for moment in moments) else "%Y-%m"
        return "%Y-%m-%d"
    seconds = (milliseconds(moments[-1]) - milliseconds(moments[0])) / 1000
    if len(moments) == 1:
        return "%Y-%m-%d %H:%M:%S"
    if moments[0][:10] == moments[-1][:10]:
        return "%H:%M:%S" if seconds < 600 else "%H:%M"
    return "%m-%d %H:%M" if seconds < 8 * 86400 else "%Y-%m-%d"


def milliseconds(moment: str) -> int:
    """Milliseconds since 1970."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


def bins_between(times: Sequence[str], length: int) -> Iterator[str]:
    """All bins from the first to the last of these bins, empty ones too."""
    known = sorted(set(times))
    step = next(seconds for _, prefix, seconds in _TIME_UNITS if prefix == length)
    moment, last = (datetime.fromisoformat(time).replace(tzinfo=None) for time in (known[0], known[-1]))
    while moment <= last:
        yield _without_midnight(moment.isoformat(timespec="seconds") + "Z")
        if length > len("2024-01"):
            moment += timedelta(seconds=step)
        else:
            months = moment.month if length == len("2024-01") else 12
            moment = moment.replace(year=moment.year + months // 12, month=months % 12 + 1)


def label_expression(written: str, changes: Sequence[ClockChange]) -> str:
    """Vega's expression for the labels of an axis of elapsed time: what the clock showed, with its changes."""
    terms = [
        f"(time(datum.value) >= {milliseconds(change.position)} ? {change.seconds * 1000} : 0)" for change in changes
    ]
    return f"utcFormat(time(datum.value) + {' + '.join(terms)}, '{written}')"
