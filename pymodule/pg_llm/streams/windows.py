"""Windows in event time (Akidau et al. 2015, the dataflow model): tumbling, hopping and session windows of a target.

They are kept in a table, by the transaction that writes the rows. New rows are merged into their windows. Where a row
replaces another one, for session windows and for holistic aggregates, the windows that are touched are computed anew
from the target. So each window is at every moment what a query over the target would give, but for rows that came when
the window was closed: once the watermark is past its end by more than the allowed lateness.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pg_llm.database import search_path
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.database.security_context import as_extension_owner
from pg_llm.streams import aggregates
from pg_llm.streams.aggregates import Aggregate, Part
from pg_llm.streams.definition import Stream

KINDS = ("tumbling", "hopping", "session")
START, END = "window_start", "window_end"
_OF_STREAM = """
    SELECT w.id, w.name, w.kind, w.size::text AS size, w.slide::text AS slide, w.lateness::text AS lateness,
           w.group_by, w.aggregates::text AS aggregates, format('%I.%I', n.nspname, c.relname) AS relation,
           c.oid::int8 AS oid
    FROM llm.all_stream_window AS w JOIN llm.all_stream AS s ON s.id = w.stream
    JOIN pg_class AS c ON c.oid = w.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_class AS t ON t.oid = s.target
    WHERE w.stream = $1 AND c.relkind = 'r' AND c.relowner = t.relowner ORDER BY w.id
"""
_TYPES = """
    SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS type FROM pg_attribute AS a
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_DROPPED = "UPDATE llm.all_stream_window AS w SET dropped = w.dropped + $2 WHERE w.id = $1"
# Windows begin here, and at whole sizes from it on.
_ORIGIN = "1970-01-01 00:00:00+00"


@dataclass(frozen=True, slots=True)
class Window:
    """The definition of windows over a stream's target; `relation` is the table with their values."""

    id: int
    name: str
    kind: str
    size: str
    slide: str
    lateness: str | None
    group_by: list[str]
    aggregates: list[Aggregate]
    relation: str
    oid: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What a batch did to windows: rows left out, as their windows were closed; the windows that changed, in JSON."""

    dropped: int
    rows: str


@dataclass(frozen=True, slots=True)
class _Fragments:
    """SQL on a row `t` of the target: parts of the aggregates, types, and its moment."""

    parts: list[Part]
    types: Mapping[str, str]
    groups: list[str]
    at: str
    needed: list[str]

    @property
    def own_groups(self) -> str:
        return "".join(f", {name}" for name in self.groups)

    def of(self, row: str) -> str:
        """The group's columns of a row."""
        return "".join(f", {row}.{name}" for name in self.groups)

    def group_key(self, row: str) -> str:
        """The group as one value that can be hashed, NULL being equal to NULL."""
        return f"jsonb_build_array({', '.join(f'{row}.{name}' for name in self.groups)})"

    @property
    def names(self) -> str:
        return "".join(f", {quote_ident(part.name)}" for part in self.parts)

    @property
    def computed(self) -> str:
        return "".join(f", {part.computed}" for part in self.parts)

    def records(self, parameter: str) -> str:
        """FROM item: rows of the target from a JSON array."""
        columns = ", ".join(f"{quote_ident(name)} {self.types[name]}" for name in self.needed)
        return f"jsonb_to_recordset({parameter}::jsonb) AS t ({columns})"


def of_stream(db: Connection, stream: Stream) -> list[Window]:
    """The windows over a stream, without those whose table is gone or has become somebody else's."""
    return [
        Window(**{**row, "aggregates": aggregates.parse(json.loads(row["aggregates"]))}) for row in _rows(db, stream.id)
    ]


def update(
    db: Connection,
    stream: Stream,
    window: Window,
    written: str,
    former: str,
    watermark: str | None,
) -> Changes:
    """Make the windows of rows that were written, and of those that they replaced, true: both are JSON arrays.

    To be called as the target's owner.
    """
    with search_path.pinned(db):
        f = fragments_of(db, stream, window)
        types, values = ("text", "text", "timestamptz"), (written, former, watermark)
        if window.kind == "session":
            (cut,) = db.rows(_cut_sessions(window, f), types, values)
            (row,) = db.rows(_sessions_anew(stream, window, f), ("text",), (cut["stretches"] or "[]",))
            return Changes(cut["dropped"], row["rows"] or "[]")
        merges = former == "[]" and all(part.merged for part in f.parts)
        (row,) = db.rows(_merge(window, f) if merges else _anew(stream, window, f), types, values)
    return Changes(row["dropped"], row["rows"] or "[]")


def fill(db: Connection, stream: Stream, window: Window) -> None:
    """Compute all windows from the rows that the target has. To be called as its owner, with an empty table."""
    with search_path.pinned(db):
        f = fragments_of(db, stream, window)
        if window.kind == "session":
            source = f"(SELECT * FROM {stream.relation} AS t WHERE isfinite({f.at})) AS t"
            db.execute(f"INSERT INTO {window.relation} ({_columns(f)}) {_sessionized(window, f, source)}")
        else:
            db.execute(
                f"INSERT INTO {window.relation} ({_columns(f)})"
                f" SELECT w.start, {_end(window, 'w.start')}{f.of('t')}{f.computed} FROM {stream.relation} AS t"
                f" CROSS JOIN LATERAL {_starts(window, f.at)} AS w (start) WHERE isfinite({f.at})"
                f" GROUP BY w.start{f.of('t')}"
            )


def record_dropped(db: Connection, dropped: Mapping[int, int]) -> None:
    """Count rows that came after their window was closed, by the window's number."""
    for number, count in dropped.items():
        if count:
            _record(db, number, count)


def fragments_of(db: Connection, stream: Stream, window: Window) -> _Fragments:
    """The fragments of a window's statements. Needs a pinned path."""
    types = {row["name"]: row["type"] for row in db.rows(_TYPES, ("int8",), (stream.target,))}
    event_time = str(stream.event_time)
    parts = [part for aggregate in window.aggregates for part in aggregates.parts(aggregate, types)]
    columns = [aggregate.column for aggregate in window.aggregates if aggregate.column is not None]
    needed = list(dict.fromkeys([event_time, *window.group_by, *columns]))
    groups = [quote_ident(name) for name in window.group_by]
    at = f"t.{quote_ident(event_time)}::timestamptz"
    return _Fragments(parts, types, groups, at, needed)


def table_columns(window: Window, f: _Fragments) -> str:
    """The columns of the window's table, as CREATE TABLE has them."""
    columns = [f"{START} timestamptz NOT NULL", f"{END} timestamptz NOT NULL"]
    columns += [f"{quote_ident(name)} {f.types[name]}" for name in window.group_by]
    columns += [f"{quote_ident(part.name)} {part.type}" for part in f.parts]
    columns += [text for aggregate in window.aggregates if (text := aggregates.derived(aggregate))]
    return ", ".join(columns)


def _interval(text: str) -> str:
    return f"{quote_literal(text)}::interval"


def _end(window: Window, start: str) -> str:
    return f"{start} + {_interval(window.size)}"


def _starts(window: Window, at: str) -> str:
    """FROM item: the starts of the windows that a moment lies in."""
    slide, size = _interval(window.slide), _interval(window.size)
    last = f"date_bin({slide}, {at}, {quote_literal(_ORIGIN)}::timestamptz)"
    if window.kind == "tumbling":
        return f"(SELECT {last})"
    # Steps back from the last one, as long as the moment lies before the end.
    return (
        f"(SELECT {last} - n.number * {slide} FROM generate_series(0, ceil(EXTRACT(epoch FROM {size})"
        f" / EXTRACT(epoch FROM {slide}))::int4) AS n (number)"
        f" WHERE {last} - n.number * {slide} + {size} > {at})"
    )


def _open(window: Window, end: str) -> str:
    """Condition: a window with this end takes rows at the watermark $3."""
    if window.lateness is None:
        return "true"
    return f"($3 IS NULL OR {end} + {_interval(window.lateness)} > $3)"


def _columns(f: _Fragments) -> str:
    return f"{START}, {END}{f.own_groups}{f.names}"


def _result() -> str:
    return (
        "SELECT (SELECT coalesce(sum(d.rows), 0)::int8 FROM dropped AS d) AS dropped,"
        " (SELECT jsonb_agg(to_jsonb(c.*))::text FROM changed AS c) AS rows"
    )


def _placed(window: Window, f: _Fragments) -> str:
    """The parts of WITH that give the new rows of open windows, and how many have none."""
    isopen = _open(window, _end(window, "w.start"))
    return (
        f"placed AS MATERIALIZED (SELECT t.*, w.start AS stream_start, {isopen} AS stream_open"
        f" FROM {f.records('$1')} CROSS JOIN LATERAL {_starts(window, f.at)} AS w (start) WHERE isfinite({f.at})),"
        " dropped AS (SELECT count(*) AS rows FROM placed AS p WHERE NOT p.stream_open)"
    )


def _merge(window: Window, f: _Fragments) -> str:
    changes = ", ".join(
        f"{name} = " + str(part.merged).format(a=f"w.{name}", b=f"excluded.{name}")
        for part in f.parts
        for name in (quote_ident(part.name),)
    )
    return (
        f"WITH {_placed(window, f)}, changed AS (INSERT INTO {window.relation} AS w ({_columns(f)})"
        f" SELECT t.stream_start, {_end(window, 't.stream_start')}{f.of('t')}{f.computed} FROM placed AS t"
        f" WHERE t.stream_open GROUP BY t.stream_start{f.of('t')} ORDER BY 1{f.of('t')}"
        f" ON CONFLICT ({START}{f.own_groups}) DO UPDATE SET {changes} RETURNING w.*) {_result()}"
    )


def _anew(stream: Stream, window: Window, f: _Fragments) -> str:
    """Tumbling and hopping windows that are touched are computed from the target's rows."""
    size = _interval(window.size)
    moment = quote_ident(str(stream.event_time))
    names = [quote_ident(part.name) for part in f.parts]
    named = "".join(f", {part.computed} AS {name}" for part, name in zip(f.parts, names, strict=True))
    values = "".join(f", c.{name}" for name in names)
    return (
        f"WITH {_placed(window, f)}, touched AS MATERIALIZED ("
        f"SELECT t.stream_start AS start, {f.group_key('t')} AS key FROM placed AS t WHERE t.stream_open"
        f" UNION SELECT w.start, {f.group_key('t')} FROM {f.records('$2')}"
        f" CROSS JOIN LATERAL {_starts(window, f.at)} AS w (start)"
        f" WHERE isfinite({f.at}) AND {_open(window, _end(window, 'w.start'))}),"
        f" computed AS MATERIALIZED (SELECT s.start{f.of('t')}{named}"
        f" FROM (SELECT DISTINCT u.start FROM touched AS u) AS s JOIN {stream.relation} AS t"
        f" ON t.{moment} >= s.start AND t.{moment} < s.start + {size}"
        f" WHERE (s.start, {f.group_key('t')}) IN (SELECT u.start, u.key FROM touched AS u)"
        f" GROUP BY s.start{f.of('t')}),"
        f" gone AS (DELETE FROM {window.relation} AS w WHERE (w.{START}, {f.group_key('w')}) IN"
        f" (SELECT u.start, u.key FROM touched AS u) AND (w.{START}, {f.group_key('w')}) NOT IN"
        f" (SELECT c.start, {f.group_key('c')} FROM computed AS c)),"
        f" changed AS (INSERT INTO {window.relation} AS w ({_columns(f)})"
        f" SELECT c.start, c.start + {size}{f.of('c')}{values}"
        f" FROM computed AS c ON CONFLICT ({START}{f.own_groups}) DO UPDATE SET"
        f" {', '.join(f'{name} = excluded.{name}' for name in names)} RETURNING w.*)"
        f" {_result()}"
    )


def _sessionized(window: Window, f: _Fragments, source: str) -> str:
    """A query of the sessions of rows `t`: one ends where the group has none for longer than the gap."""
    gap = _interval(window.size)
    by = f"PARTITION BY {f.of('t')[2:]} " if f.groups else ""
    return (
        f"SELECT min({f.at}), max({f.at}) + {gap}{f.of('t')}{f.computed} FROM (SELECT t.*,"
        f" count(*) FILTER (WHERE t.stream_new) OVER ({by}ORDER BY {f.at} ROWS UNBOUNDED PRECEDING) AS stream_session"
        f" FROM (SELECT t.*, coalesce({f.at} - lag({f.at}) OVER ({by}ORDER BY {f.at}) > {gap}, true) AS stream_new"
        f" FROM {source}) AS t) AS t GROUP BY t.stream_session{f.of('t')}"
    )


def _cut_sessions(window: Window, f: _Fragments) -> str:
    """Deletes the sessions that rows touch; gives of each group the stretch from the first to the last of all these."""
    gap = _interval(window.size)
    isopen = _open(window, f"{f.at} + {gap}")
    return (
        "WITH given AS MATERIALIZED ("
        f"SELECT {f.group_key('t')} AS key, {f.at} AS at, {isopen} AS open, true AS new"
        f" FROM {f.records('$1')} WHERE isfinite({f.at})"
        f" UNION ALL SELECT {f.group_key('t')}, {f.at}, {isopen}, false FROM {f.records('$2')} WHERE isfinite({f.at})),"
        " dropped AS (SELECT count(*) AS rows FROM given AS g WHERE g.new AND NOT g.open),"
        " stretch AS MATERIALIZED (SELECT s.key, min(s.first) AS first, max(s.last) AS last FROM ("
        "SELECT g.key, g.at AS first, g.at AS last FROM given AS g WHERE g.open"
        f" UNION ALL SELECT g.key, w.{START}, w.{END} - {gap} FROM given AS g JOIN {window.relation} AS w"
        f" ON {f.group_key('w')} = g.key AND w.{START} <= g.at + {gap} AND w.{END} >= g.at WHERE g.open"
        ") AS s GROUP BY s.key),"
        f" gone AS (DELETE FROM {window.relation} AS w USING stretch AS s WHERE {f.group_key('w')} = s.key"
        f" AND w.{START} >= s.first AND w.{START} <= s.last)"
        " SELECT (SELECT d.rows FROM dropped AS d) AS dropped,"
        " (SELECT jsonb_agg(to_jsonb(s.*))::text FROM stretch AS s) AS stretches"
    )


def _sessions_anew(stream: Stream, window: Window, f: _Fragments) -> str:
    """Computes the sessions of the target's rows in the stretches $1."""
    moment = f"t.{quote_ident(str(stream.event_time))}"
    rows = (
        f"(SELECT t.* FROM {stream.relation} AS t"
        " JOIN jsonb_to_recordset($1::jsonb) AS s (key jsonb, first timestamptz, last timestamptz)"
        f" ON {f.group_key('t')} = s.key AND {moment} >= s.first AND {moment} <= s.last) AS t"
    )
    return (
        f"WITH changed AS (INSERT INTO {window.relation} AS w ({_columns(f)}) {_sessionized(window, f, rows)}"
        " RETURNING w.*) SELECT (SELECT jsonb_agg(to_jsonb(c.*))::text FROM changed AS c) AS rows"
    )


@as_extension_owner
def _rows(db: Connection, stream: int) -> list[Row]:
    return db.rows(_OF_STREAM, ("int4",), (stream,))


@as_extension_owner
def _record(db: Connection, number: int, count: int) -> None:
    db.rows(_DROPPED, ("int4", "int8"), (number, count))
