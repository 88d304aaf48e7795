"""Run untrusted SELECT statements: parsed against an allow-list, limited in cost, time and size, and read-only.

Functions, operators and types are PostgreSQL's own and relations are qualified, so that under the pinned search path no
name resolves to an object that a user made. Views are checked by their definitions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pg_llm import settings
from pg_llm.database import models, relation_names
from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.select import READ_ONLY, Result, columns
from pg_llm.database.timeout import TimedOut, time_limit

# Condition on relation `c` in schema `n`: the caller may ask questions about it.
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
# Condition on relation `c`: a question may be about it unnamed, as it is neither a part of a table nor chunks of one.
OF_ITS_OWN = """
    NOT c.relispartition
    AND c.oid NOT IN (SELECT k.companion FROM llm.companion_table AS k WHERE k.kind = 'index')
"""
# Condition on relation `c`: types of other users may have casts that run their functions; an enumeration without casts
# does not.
FOREIGN_TYPE = """
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
               {FOREIGN_TYPE} AS strange, o.rolsuper OR o.rolname = CURRENT_USER AS trusted,
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
# Settings under which the text means what was checked; READ_ONLY in each query keeps it from writing.
SAFE_SETTINGS = """
    SELECT set_config('standard_conforming_strings', 'on', true), set_config('jit', 'off', true),
           set_config('search_path', 'pg_catalog, pg_temp', true)
"""


class Refused(Exception):
    """The query was not run; the message is a sentence with the reason."""


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Limits for one query."""

    seconds: float
    cost: int
    rows: int


@dataclass(frozen=True, slots=True)
class ValidatedQuery:
    """A SELECT that passed the check, as written and with qualified relations."""

    sql: str
    qualified: str
    relations: list[int]


def limits(db: Connection) -> QueryLimits:
    """The limits that this session has set."""
    names = ("llm.ask_timeout", "llm.ask_cost_limit", "llm.ask_row_limit")
    timeout, cost, most = (db.setting(name) for name in names)
    return QueryLimits(
        settings.seconds(names[0], timeout), settings.count(names[1], cost), max(1, settings.count(names[2], most))
    )


def search_path(db: Connection) -> list[str]:
    """The schemas in which the caller's names are looked up; call it before the path is pinned."""
    return list(db.rows("SELECT pg_catalog.current_schemas(true)::pg_catalog.text[] AS path")[0]["path"])


def check(db: Connection, texts: Sequence[str], path: Sequence[str]) -> list[ValidatedQuery | Refused]:
    """Check each text; its relations are looked up in this path."""
    parsed = [json.loads(text) for text in models.run_without_model(db, "sql_check", texts)]
    return [_validated(db, text, path) for text in parsed]


def _validated(db: Connection, parsed: dict[str, Any], path: Sequence[str]) -> ValidatedQuery | Refused:
    if "refused" in parsed:
        return Refused(f"the SQL {parsed['refused']}")
    relations = parsed["relations"]
    try:
        rows = _resolve_relations(db, relations, path, 0)
    except Refused as refused:
        return refused
    text = parsed["sql"]
    for relation, row in sorted(zip(relations, rows, strict=True), key=lambda pair: -int(pair[0]["at"])):
        rest = text[relation["at"] :]
        text = text[: relation["at"]] + row["relation"] + rest[_name_length(rest, relation["schema"] is not None) :]
    return ValidatedQuery(parsed["sql"].strip(), text, sorted({int(row["oid"]) for row in rows}))


def _name_length(text: str, qualified: bool) -> int:
    """The length of the relation's name at the start of the text."""
    end = _identifier_end(text, 0)
    if qualified:
        end = _skip_spaces(text, end)
        if text[end : end + 1] != ".":
            raise Refused("the SQL names a table in a way that is not understood")
        end = _identifier_end(text, _skip_spaces(text, end + 1))
    return end


def _skip_spaces(text: str, start: int) -> int:
    while text[start : start + 1].isspace():
        start += 1
    return start


def _identifier_end(text: str, start: int) -> int:
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


def _resolve_relations(
    db: Connection, relations: Sequence[dict[str, Any]], path: Sequence[str], depth: int
) -> list[dict[str, Any]]:
    """The relations' rows in the catalog. Raises Refused if the caller may not read one."""
    if not relations:
        return []
    names = [relation["schema"] for relation in relations], [relation["name"] for relation in relations]
    rows = db.rows(_RELATIONS, ("text[]",) * 3, (*names, list(path)))
    for relation, row in zip(relations, rows, strict=True):
        name = ".".join(filter(None, (relation["schema"], relation["name"])))
        # The same message whether the table is missing or unreadable, so that it reveals nothing.
        if row["oid"] is None or (depth == 0 and not row["readable"]):
            raise Refused(f"there is no table {name} that you may ask about")
        if depth == 0:
            relation_names.note(db, row["oid"], row["relation"])
        if row["strange"]:
            raise Refused(f"table {name} has a column of a type that may run functions of others")
        if row["relkind"] == "v" and not row["trusted"]:
            _check_view(db, row, name, depth)
    return rows


def _check_view(db: Connection, row: dict[str, Any], name: str, depth: int) -> None:
    parsed = json.loads(models.run_without_model(db, "sql_check", [row["definition"]], purpose="view")[0])
    if "refused" in parsed:
        raise Refused(f"the view {name} {parsed['refused']}")
    enumerations = """
        SELECT count(*) AS n FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
        WHERE n.nspname || '.' || t.typname = ANY($1) AND t.typtype = 'e'
    """
    if db.rows(enumerations, ("text[]",), (parsed["types"],))[0]["n"] < len(parsed["types"]):
        raise Refused(f"the view {name} has a type of somebody's own")
    if depth >= _DEEPEST_VIEW:
        raise Refused(f"the view {name} is nested too deeply")
    _resolve_relations(db, parsed["relations"], ["pg_catalog"], depth + 1)


def run(db: Connection, query: ValidatedQuery, limits: QueryLimits) -> Result:
    """The rows of a validated query. Raises Refused if it costs too much, takes too long or fails."""
    try:
        with time_limit(db, limits.seconds):
            # Not a prepared statement: a cached plan would ignore the settings made here.
            db.execute(SAFE_SETTINGS)
            relation_names.check(db, query.relations)
            _check_cost(db, query.qualified, limits.cost)
            return _fetch(db, query.qualified, limits.rows)
    except TimedOut:
        raise Refused(f"the query took longer than llm.ask_timeout ({limits.seconds:g} s)") from None
    except DatabaseError as error:
        if error.sqlstate == CANCELLED:
            raise
        raise Refused(f"the query failed: {error}") from error


def _check_cost(db: Connection, sql: str, limit: int) -> None:
    rows: Any = db.execute(f"EXPLAIN (FORMAT JSON) {sql}")
    plan = json.loads(rows[0]["QUERY PLAN"])
    cost = float(plan[0]["Plan"]["Total Cost"])
    if not math.isfinite(cost) or cost > limit:
        raise Refused(f"the query would cost {cost:.0f}, more than llm.ask_cost_limit ({limit})")


def _fetch(db: Connection, sql: str, limit: int) -> Result:
    """The rows with JSON values, whose numbers have all their digits."""
    described = columns(db, sql)
    if not 0 < len(described) <= _MOST_COLUMNS:
        raise Refused(f"the query has {len(described)} columns, and 1 to {_MOST_COLUMNS} are read")
    places = [f"c{number}" for number in range(len(described))]
    values = ", ".join(
        f"to_jsonb({column_type.json(f'q.{index}')})" for index, (_, column_type) in zip(places, described, strict=True)
    )
    # Fetch in one SPI call: a second one would lose read-only mode. A running total of bytes cuts the result in the
    # server.
    lines = list(
        db.execute(f"""
        SELECT line, total FROM (
            SELECT line, sum(length(line)) OVER (ROWS UNBOUNDED PRECEDING) AS total FROM (
                SELECT jsonb_build_array({values})::text AS line FROM ({sql}
                ) AS q ({", ".join(places)}) WHERE {READ_ONLY} LIMIT {limit + 1}
            ) AS r
        ) AS t WHERE total - length(line) <= {_MOST_CHARACTERS}
    """)
    )
    if lines and lines[-1]["total"] > _MOST_CHARACTERS:
        raise Refused(f"the result is longer than {_MOST_CHARACTERS} characters")
    rows = [json.loads(row["line"], parse_float=Decimal) for row in lines]
    return Result([(name, column_type.name) for name, column_type in described], rows[:limit], len(rows) > limit)
