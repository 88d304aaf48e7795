"""Triggers that keep companion tables true, as llm.create_companion_triggers makes them: what they tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

# One with its transition tables: a trigger that was made by hand would read whatever the writer calls so.
_OWN_TRIGGER = """
    SELECT FROM pg_trigger AS g WHERE g.tgrelid = $1::oid AND g.tgname = $2
    AND (g.tgnewtable IS NOT NULL) = ($3 IN ('INSERT', 'UPDATE')) AND coalesce(g.tgnewtable, 'changed') = 'changed'
    AND (g.tgoldtable IS NOT NULL) = ($3 IN ('DELETE', 'UPDATE')) AND coalesce(g.tgoldtable, 'former') = 'former'
    AND llm.is_trigger_as_fired(g.tgrelid, g.tgname, $3, $4::regprocedure)
"""
_PART_OF = "SELECT FROM llm.relation_ancestors($1::oid) AS a (relation) WHERE a.relation = $2::oid"
_FOREIGN_PART = """
    SELECT FROM llm.relation_tree($1::oid) AS t (relation) JOIN pg_class AS c ON c.oid = t.relation
    WHERE c.relkind = 'f' LIMIT 1
"""
# Transition tables with the rows that a statement wrote, and with those that were there before.
_WRITTEN = {"INSERT": ("changed",), "UPDATE": ("changed", "former"), "DELETE": ("former",)}


def followed_object(db: Connection, trigger: Mapping[str, Any], function: str) -> int | None:
    """The number of the object that a statement trigger keeps true; None for a trigger that was made by hand.

    `function` is the one that the trigger has called, as in `llm.follow_index()`.
    """
    arguments: list[str] = trigger["args"] or []
    if len(arguments) != 1 or not arguments[0].isdecimal() or len(arguments[0]) > 9:
        return None
    if trigger["when"] != "AFTER" or trigger["level"] != "STATEMENT":
        return None
    values = (int(trigger["relid"]), trigger["name"], trigger["event"], function)
    return int(arguments[0]) if db.rows(_OWN_TRIGGER, ("int8", "name", "text", "text"), values) else None


def is_part(db: Connection, relation: int, source: int) -> bool:
    """Whether a relation is the source itself, or a part of it."""
    return bool(db.rows(_PART_OF, ("int8", "int8"), (relation, source)))


def check_followable(db: Connection, source: Table, refresh: str) -> None:
    """Raise InvalidInput for a source of whose writes no trigger can tell; `refresh` is the call that does instead."""
    hint = f"Write sync => 'manual', and CALL {refresh} from time to time."
    if source.kind not in "rp":
        raise InvalidInput(f"{source.relation} is not a table, and nothing tells what changes in it", hint=hint)
    if db.rows(_FOREIGN_PART, ("int8",), (source.oid,)):
        raise InvalidInput(
            f"{source.relation} has a foreign table among its parts, whose rows no trigger can be told of", hint=hint
        )


def written_keys(db: Connection, source: Table, event: str, size: int) -> Iterator[str]:
    """The keys of the rows that the trigger's statement wrote, as JSON arrays of at most `size`.

    Also those that a row has lost, as another may have them: a deferred constraint lets two share a key for a while.
    """
    queries = (f"SELECT {source.key_object}::text AS key FROM {name} AS t" for name in _WRITTEN[event])
    for rows in db.batches(" UNION ".join(queries), size=size):
        yield f"[{', '.join(row['key'] for row in rows)}]"
