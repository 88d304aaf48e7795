"""A SELECT that somebody or something else wrote: checked, estimated, and run with the caller's rights, to read only.

Functions, operators and types are PostgreSQL's own, relations are named in full: under the pinned path nothing that a
user made is found by name. What a view hides is checked as the SELECT itself is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import settings
from pg_llm.database import models
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.select import READ_ONLY, Result, columns
from pg_llm.database.timeout import OutOfTime, time_limit

# Of a relation `c` in the schema `n`: may the caller ask about it?
READABLE = """
    c.relkind IN ('r', 'p', 'v', 'm')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'llm') AND n.nspname !~ '^pg_toast'
    AND NOT pg_is_other_temp_schema(n.oid) AND has_schema_privilege(n.oid, 'USAGE')
    AND has_any_column_privilege(c.oid, 'SELECT')
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
"""
# Types of other users' making may bring casts that run functions of theirs; an enumeration without casts does not.
_STRANGE_TYPE = """
    EXISTS (
        SELECT FROM pg_attribute AS a JOIN pg_type AS o ON o.oid = a.atttypid
        JOIN pg_type AS t ON t.oid = coalesce(nullif(o.typbasetype, 0), nullif(o.typelem, 0), o.oid)
        JOIN pg_roles AS w ON w.oid = t.typowner
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND t.typnamespace <> 'pg_catalog'::regnamespace
        AND NOT w.rolsuper AND w.rolname <> CURRENT_USER
        AND (t.typtype <> 'e' OR EXISTS (SELECT FROM pg_cast AS x WHERE x.castsource = t.oid))
    )
"""
_RELATIONS = f"""
    SELECT w.place, f.oid::bigint AS oid, f.relation, f.relkind, f.readable, f.strange, f.trusted, f.definition
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, name, place)
    LEFT JOIN LATERAL (
        SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS relation, c.relkind, ({READABLE}) AS readable,
               {_STRANGE_TYPE} AS strange, o.rolsuper OR o.rolname = CURRENT_USER AS trusted,
               CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END AS definition
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_roles AS o ON o.oid = c.relowner
        WHERE c.relname = w.name AND (n.nspname = w.schema OR w.schema IS NULL AND n.nspname = ANY($3::text[]))
        ORDER BY array_position($3::text[], n.nspname::text)
        LIMIT 1
    ) AS f ON true
    ORDER BY w.place
"""
_DEEPEST_VIEW = 20
_MOST_COLUMNS = 100
_MOST_CHARACTERS = 4 << 20
# Whatever the session has set, the text is read as it was checked. That nothing is written is each query's READ_ONLY.
STATE = """
    SELECT set_config('standard_conforming_strings', 'on', true), set_config('jit', 'off', true),
           set_config('search_path', 'pg_catalog, pg_temp', true)
"""


class Refused(Exception):
    """The reason why a query was not run, in a sentence."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take."""

    seconds: float
    cost: int
    rows: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A SELECT as it was written, and the same with its relations named in full."""

    sql: str
    qualified: str
    relations: list[int]


def limits(db: Connection) -> Limits:
    """The limits that this session's settings say."""
    names = ("llm.ask_timeout", "llm.ask_cost_limit", "llm.ask_row_limit")
    timeout, cost, most = (setting(db, name) for name in names)
    return Limits(
        settings.seconds(names[0], timeout), settings.count(names[1], cost), max(1, settings.count(names[2], most))
    )


def setting(db: Connection, name: str) -> str | None:
    """What the session has set."""
    found: str | None = db.rows("SELECT current_setting($1, true) AS value", ("text",), (name,))[0]["value"]
    return found


def search_path(db: Connection) -> list[str]:
    """The schemas that the caller's names are looked up in; asked before the path is pinned."""
    return list(db.rows("SELECT pg_catalog.current_schemas(true)::pg_catalog.text[] AS path")[0]["path"])


def check(db: Connection, texts: Sequence[str], path: Sequence[str]) -> list[Checked | Refused]:
    """Each text checked, its relations looked up in the path."""
    found = [json.loads(said) for said in models.run_without_model(db, "sql_check", texts)]
    return [_checked(db, said, path) for said in found]


def _checked(db: Connection, said: dict[str, Any], path: Sequence[str]) -> Checked | Refused:
    if "refused" in said:
        return Refused(f"the SQL {said['refused']}")
    relations = said["relations"]
    try:
        known = _resolved(db, relations, path, 0)
    except Refused as refused:
        return refused
    text = said["sql"]
    for of, row in sorted(zip(relations, known, strict=True), key=lambda pair: -int(pair[0]["at"])):
        rest = text[of["at"] :]
        text = text[: of["at"]] + row["relation"] + rest[_length(rest, of["schema"] is not None) :]
    return Checked(said["sql"].strip(), text, sorted({int(row["oid"]) for row in known}))


def _length(text: str, qualified: bool) -> int:
    """How many characters a relation's name takes at the beginning of a text."""
    end = _identifier(text, 0)
    if qualified:
        end = _skip(text, end)
        if text[end : end + 1] != ".":
            raise Refused("the SQL names a table in a way that is not understood")
        end = _identifier(text, _skip(text, end + 1))
    return end


def _skip(text: str, start: int) -> int:
    while text[start : start + 1].isspace():
        start += 1
    return start


def _identifier(text: str, start: int) -> int:
    if text[start : start + 1] != '"':
        end = start
        while end < len(text) and (text[end].isalnum() or text[end] in "_$" or ord(text[end]) > 127):
            end += 1
        if end == start or text[start : start + 2].lower() == "u&":
            raise Refused("the SQL names a table in a way that is not understood")
        return end
    end = start + 1
    while (end := text.index('"', end) + 1) < len(text) and text[end] == '"':
        end += 1
    return end


def _resolved(
    db: Connection, relations: Sequence[dict[str, Any]], path: Sequence[str], depth: int
) -> list[dict[str, Any]]:
    """The relations in the catalog. Raises Refused where the caller may not ask about one."""
    if not relations:
        return []
    names = [of["schema"] for of in relations], [of["name"] for of in relations]
    found = db.rows(_RELATIONS, ("text[]",) * 3, (*names, list(path)))
    for of, row in zip(relations, found, strict=True):
        named = ".".join(filter(None, (of["schema"], of["name"])))
        # One message for what is not there and for what is not the caller's to read.
        if row["oid"] is None or (depth == 0 and not row["readable"]):
            raise Refused(f"there is no table {named} that you may ask about")
        if row["strange"]:
            raise Refused(f"table {named} has a column of a type that may run functions of others")
        if row["relkind"] == "v" and not row["trusted"]:
            _check_view(db, row, named, depth)
    return found


def _check_view(db: Connection, row: dict[str, Any], named: str, depth: int) -> None:
    said = json.loads(models.run_without_model(db, "sql_check", [row["definition"]], view=True)[0])
    if "refused" in said:
        raise Refused(f"the view {named} {said['refused']}")
    enumerations = """
        SELECT count(*) AS n FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
        WHERE n.nspname || '.' || t.typname = ANY($1) AND t.typtype = 'e'
    """
    if db.rows(enumerations, ("text[]",), (said["types"],))[0]["n"] < len(said["types"]):
        raise Refused(f"the view {named} has a type of somebody's own")
    if depth >= _DEEPEST_VIEW:
        raise Refused(f"the view {named} is nested too deeply")
    _resolved(db, said["relations"], ["pg_catalog"], depth + 1)


def run(db: Connection, checked: Checked, given: Limits) -> Result:
    """The rows of a checked query. Raises Refused where it costs too much, takes too long or fails."""
    try:
        with time_limit(db, given.seconds):
            # Planned anew: a kept plan would know nothing of the state set here.
            db.execute(STATE)
            _estimate(db, checked.qualified, given.cost)
            return _fetched(db, checked.qualified, given.rows)
    except OutOfTime:
        raise Refused(f"the query took longer than llm.ask_timeout ({given.seconds:g} s)") from None
    except DatabaseError as error:
        if str(error.sqlstate) == "57014":
            raise
        raise Refused(f"the query failed: {error}") from error


def _estimate(db: Connection, sql: str, most: int) -> None:
    rows: Any = db.execute(f"EXPLAIN (FORMAT JSON) {sql}")
    plan = json.loads(rows[0]["QUERY PLAN"])
    cost = float(plan[0]["Plan"]["Total Cost"])
    if not math.isfinite(cost) or cost > most:
        raise Refused(f"the query would cost {cost:.0f}, more than llm.ask_cost_limit ({most})")


def _fetched(db: Connection, sql: str, most: int) -> Result:
    """The rows as JSON values."""
    head = columns(db, sql)
    if not 0 < len(head) <= _MOST_COLUMNS:
        raise Refused(f"the query has {len(head)} columns, and 1 to {_MOST_COLUMNS} are read")
    places = [f"c{number}" for number in range(len(head))]
    values = ", ".join(f"to_jsonb({its.json(f'q.{place}')})" for place, (_, its) in zip(places, head, strict=True))
    # At once, as a second call would not be read only, and so with a total, past which rows stay in the server.
    found = list(
        db.execute(f"""
        SELECT line, total FROM (
            SELECT line, sum(length(line)) OVER (ROWS UNBOUNDED PRECEDING) AS total FROM (
                SELECT jsonb_build_array({values})::text AS line FROM ({sql}
                ) AS q ({", ".join(places)}) WHERE {READ_ONLY} LIMIT {most + 1}
            ) AS r
        ) AS t WHERE total - length(line) <= {_MOST_CHARACTERS}
    """)
    )
    if found and found[-1]["total"] > _MOST_CHARACTERS:
        raise Refused(f"the result is longer than {_MOST_CHARACTERS} characters")
    rows = [json.loads(row["line"]) for row in found]
    return Result([(name, its.name) for name, its in head], rows[:most], len(rows) > most)
