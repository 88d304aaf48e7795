"""Charts of streams: records and lag by minute, or the values of windows, with what alerts have raised."""

from __future__ import annotations

from typing import Any

from pg_llm.charts.annotations import with_moments
from pg_llm.charts.specification import specification
from pg_llm.database import search_path
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident
from pg_llm.database.security_context import as_extension_owner
from pg_llm.streams import definition, history, windowing, windows

_MOST_WINDOWS, _MOST_ALARMS = 2000, 500
_TIME = "timestamp with time zone"
# The latest ones, at the moment where the chart has their rows: windows stand at their beginnings.
_ALARMS = """
    SELECT to_json(coalesce((m.evidence ->> 'window_start')::timestamptz, m.at)) #>> '{}' AS at,
           to_json(m.raised_at) #>> '{}' AS raised_at, a.name
    FROM llm.all_stream_alert AS a JOIN llm.all_stream_alarm AS m ON m.alert = a.id
    WHERE a.stream = $1 AND ($2 IS NULL OR a."window" = $2) ORDER BY m.id DESC LIMIT $3
"""


def chart(db: Connection, name: str) -> dict[str, Any] | None:
    """The Vega-Lite specification of a chart of the stream, or of the windows, of that name."""
    row = windowing.find(db, name)
    with search_path.pinned(db):
        if row is not None and row["own"]:
            return _of_windows(db, name, row["stream"], row["id"])
        stream = definition.find(db, name)
        rows = [[row["minute"], row["rows"], row["lag"]] for row in history.minutes(db, stream.id)]
        columns = [("minute", _TIME), ("rows", "bigint"), ("lag", "bigint")]
        spec = specification(columns, rows, "line", name)
        moments = [(at, text) for _, at, text in _alarms(db, stream.id, None)]
        return _marked(spec, rows, moments)


def _of_windows(db: Connection, name: str, number: int, window_id: int) -> dict[str, Any] | None:
    stream = definition.by_id(db, number, trusted=False)
    window = next(each for each in windows.of_stream(db, stream) if each.id == window_id)
    values = [quote_ident(each.name) for each in window.aggregates]
    columns = [(windows.START, _TIME)]
    if window.group_by:
        # One line for each group, of the first aggregate.
        groups = ", ".join(f"coalesce(w.{quote_ident(each)}::text, 'NULL')" for each in window.group_by)
        shown = f"concat_ws(' · ', {groups}) AS c1, w.{values[0]}::float8 AS c2"
        columns += [(" · ".join(window.group_by), "text"), (window.aggregates[0].name, "double precision")]
    else:
        shown = ", ".join(f"w.{value}::float8 AS c{place}" for place, value in enumerate(values, 1))
        columns += [(each.name, "double precision") for each in window.aggregates]
    query = (
        f"SELECT to_json(w.{windows.START}) #>> '{{}}' AS c0, {shown} FROM {window.relation} AS w"
        f" ORDER BY w.{windows.START} DESC LIMIT {_MOST_WINDOWS}"
    )
    found = db.run_as(stream.owner, lambda: db.rows(query))
    rows = [[row[f"c{place}"] for place in range(len(columns))] for row in reversed(found)]
    spec = specification(columns, rows, "line", name)
    return _marked(spec, rows, [(at, text) for at, _, text in _alarms(db, stream.id, window.id)])


def _marked(
    spec: dict[str, Any] | None, rows: list[list[Any]], moments: list[tuple[str, str]]
) -> dict[str, Any] | None:
    if spec is None or not rows:
        return spec
    return with_moments(spec, moments)


@as_extension_owner
def _alarms(db: Connection, stream: int, window: int | None) -> list[tuple[str, str, str]]:
    rows = db.rows(_ALARMS, ("int4", "int4", "int8"), (stream, window, _MOST_ALARMS))
    return [(row["at"], row["raised_at"], row["name"]) for row in rows]
