"""Base types of columns, and SQL that converts their values to and from text and JSON without running foreign code.

A cast to text or json, and one from text, may be any function of the type's owner; output and input functions are the
server's own. Queries count on a pinned search path; the SQL returned is right under every path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm.database.connection import Connection

_TYPES = """
    WITH RECURSIVE made_of (place, oid) AS (
        SELECT g.place, g.oid FROM unnest((SELECT $1::oid[])) WITH ORDINALITY AS g (oid, place)
        UNION ALL
        SELECT m.place, t.typbasetype FROM made_of AS m JOIN pg_type AS t ON t.oid = m.oid AND t.typtype = 'd'
    ), part (place, oid) AS (
        SELECT m.place, m.oid FROM made_of AS m
        UNION
        SELECT p.place, inner_part.oid FROM part AS p JOIN pg_type AS t ON t.oid = p.oid CROSS JOIN LATERAL (
            SELECT t.typbasetype UNION ALL SELECT t.typelem
            UNION ALL
            SELECT a.atttypid FROM pg_attribute AS a
            WHERE a.attrelid = nullif(t.typrelid, 0) AND a.attnum > 0 AND NOT a.attisdropped
        ) AS inner_part (oid) WHERE inner_part.oid <> 0
    )
    SELECT format_type(b.oid, -1) AS name, b.typnamespace = 'pg_catalog'::regnamespace AS builtin,
           b.typtype = 'c' AS composite, NOT EXISTS (
               SELECT FROM part AS p JOIN pg_type AS t ON t.oid = p.oid
               WHERE p.place = m.place AND t.oid >= 16384 AND NOT pg_has_role(t.typowner, CURRENT_USER, 'USAGE')
           ) AS jsonable
    FROM made_of AS m JOIN pg_type AS b ON b.oid = m.oid AND b.typtype <> 'd' ORDER BY m.place
"""
_OF_RELATION = """
    SELECT a.attname::text AS name, a.atttypid::int8 AS type FROM pg_attribute AS a
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
# Types below this number are the server's own, and the same as long as it runs.
_FIRST_UNPINNED = 10_000
_pinned: dict[int, ColumnType] = {}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type, for a domain its base type; `builtin`: it is one of PostgreSQL's own.

    `jsonable`: its parts are types of roles that the caller trusts: others may make a cast to json at any moment.
    """

    name: str
    builtin: bool
    composite: bool
    jsonable: bool

    def text(self, value: str) -> str:
        """SQL for a value as text, NULL for NULL."""
        return as_text(value, self.builtin)

    def text_in_utc(self, value: str) -> str:
        """As `text`, and the same in whatever time zone the session is."""
        if self.name == "timestamp with time zone":
            return f"({value} AT TIME ZONE 'UTC')::text || '+00'"
        return self.text(value)

    def plain(self, value: str) -> str:
        """SQL for a value of a domain as its base type: operators on anyenum do not accept a domain over an enum."""
        return value if self.builtin else f"{value}::{self.name}"

    def json(self, value: str) -> str:
        """SQL for a value that jsonb_build_object() and to_jsonb() convert without foreign code."""
        return value if self.jsonable else self.text(value)

    def number(self, value: str) -> str:
        """SQL for a value as float8."""
        return f"{value if self.builtin else self.text(value)}::pg_catalog.float8"

    def parameter(self, add: Callable[[Any, str], str], value: Any, array: bool = False) -> str:
        """SQL for a parameter whose value is a text, or a list of texts with `array`; `add` adds it and gives its name.

        The type's input function reads it; the cast from text of PostgreSQL's own types does the same.
        """
        type_ = f"{self.name}[]" if array else self.name
        if self.builtin:
            return f"{add(value, 'pg_catalog.text[]' if array else 'pg_catalog.text')}::{type_}"
        return add(value, type_)


def of(db: Connection, types: Sequence[int]) -> list[ColumnType]:
    """The types with these oids, in order."""
    if any(number not in _pinned for number in types):
        found = [ColumnType(**row) for row in db.rows(_TYPES, ("int8[]",), (list(types),))]
        _pinned.update((number, type_) for number, type_ in zip(types, found, strict=True) if number < _FIRST_UNPINNED)
        return found
    return [_pinned[number] for number in types]


def of_relation(db: Connection, oid: int) -> dict[str, ColumnType]:
    """The columns of a relation, in order."""
    rows = db.rows(_OF_RELATION, ("int8",), (oid,))
    return dict(zip((row["name"] for row in rows), of(db, [row["type"] for row in rows]), strict=True))


def as_text(value: str, builtin: bool) -> str:
    """SQL for a value as text; that of a type not PostgreSQL's own is written by its output function, as in COPY."""
    if builtin:
        return f"{value}::pg_catalog.text"
    return f"CASE WHEN {value} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {value}) END"
