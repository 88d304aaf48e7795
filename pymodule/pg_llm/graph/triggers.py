"""Triggers that keep a graph true: on the tables that it reads, after every statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pg_llm.database import catalog, table_access
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.graph import ingest
from pg_llm.graph import source as graph_source
from pg_llm.graph.access import Trigger
from pg_llm.graph.source import Source

_EVENTS = {
    "INSERT": "REFERENCING NEW TABLE AS changed",
    "UPDATE": "REFERENCING OLD TABLE AS former NEW TABLE AS changed",
    "DELETE": "REFERENCING OLD TABLE AS former",
    "TRUNCATE": "",
}
_NUMBER = re.compile("[1-9][0-9]{0,9}", re.ASCII)
# A joined table's rows are only what the source's rows lead to: whoever deletes one has changed those before.
_JOINED_EVENTS = ("INSERT", "UPDATE")
# The live source of that number, if the relation and the trigger on it are what follow() makes; the graph's owner may
# have lost the right to the table since. Locked: no merging and no removal of the source until the transaction ends.
_FOLLOWED = """
    SELECT s.id, s.graph, s.kind, s.target::oid::int8 AS target, s.columns::text[] AS columns,
           s.mapping::text AS mapping, s.model, s.sync, g.name AS graph_name, g.entity_types,
           g.relation_types::text AS relation_types, g.embedding_model, g.owner::int8 AS graph_owner,
           c.relowner::int8 AS table_owner, c.relkind = 'r' AND NOT c.relhassubclass AS childless,
           s.target = $2::oid OR s.target IN (SELECT a.relid FROM pg_partition_ancestors($2::oid) AS a) AS own
    FROM llm.all_graph_source AS s JOIN llm.all_graph AS g ON g.id = s.graph
    JOIN pg_class AS c ON c.oid = s.target JOIN pg_trigger AS t ON t.tgrelid = $2::oid AND t.tgname = $3
    WHERE s.id = $1 AND s.sync = 'live' AND s.kind <> 'import'
    AND (s.target = $2::oid OR s.joined @> ARRAY[$2::oid::regclass]
         OR s.target IN (SELECT a.relid FROM pg_partition_ancestors($2::oid) AS a))
    AND (t.tgnewtable, t.tgoldtable) IS NOT DISTINCT FROM (
        CASE WHEN $4 IN ('INSERT', 'UPDATE') THEN 'changed'::name END,
        CASE WHEN $4 IN ('UPDATE', 'DELETE') THEN 'former'::name END
    )
    AND pg_get_userbyid(g.owner) = g.usename AND pg_has_role(g.owner, c.relowner, 'USAGE')
    FOR KEY SHARE OF s
"""


def graph_follow(db: Connection, trigger: dict[str, Any]) -> None:
    """Statement trigger of live graphs: reads the rows that changed with the rights of their table's owner.

    Of a trigger that somebody made otherwise it takes no notice.
    """
    number = _number(trigger["args"])
    if number is None or trigger["when"] != "AFTER" or trigger["level"] != "STATEMENT":
        return
    values = (number, int(trigger["relid"]), trigger["name"], trigger["event"])
    found = run_as_extension_owner(db, lambda: db.rows(_FOLLOWED, ("int4", "int8", "name", "text"), values))
    if not found:
        return
    row = found[0]
    source = graph_source.of_row(db, row)
    access = Trigger(db, row["table_owner"], row["graph_owner"])
    queries = [*(_changed(source, trigger["event"]) if row["own"] else ()), *_leading(source, trigger)]
    keys = {
        each["key"]
        for query in queries
        for each in access.read(source, lambda query=query: db.query_unprepared(query))  # type: ignore[misc]
    }
    filling = ingest.Filling(db, source, row, access)
    if trigger["event"] == "TRUNCATE":
        filling.forget_gone(lambda: None)
    elif keys:
        filling.keys(sorted(keys))


def check(db: Connection, source: Source) -> None:
    """Raise InsufficientPrivilege for a table whose reading in its owner's name would run somebody else's code."""
    owner = db.rows("SELECT relowner::int8 AS oid FROM pg_class WHERE oid = $1::oid", ("int8",), (source.table.oid,))
    table_access.check_reading(db, [source.table.oid, *source.beside], owner[0]["oid"])


def follow(db: Connection, source: Source) -> None:
    """Put the triggers on the table, its partitions and what its foreign keys lead to, where they are missing."""
    parts = catalog.parts(db, source.table, "rp")
    for event in _EVENTS:
        for part in sorted(set(parts) - _followed(db, source.id, event)):
            _create_trigger(db, source.id, event, part)
    for number, join in enumerate(source.joins):
        for event in _JOINED_EVENTS:
            if join.relation not in parts and join.relation not in _followed(db, source.id, event, f"{number}_"):
                _create_trigger(db, source.id, event, join.relation, f"{number}_")


def unfollow(db: Connection, source: int) -> None:
    """Take the triggers of a source away, wherever they are: also from tables that are somebody else's by now."""
    for row in _triggers(db, source):
        statement = f"DROP TRIGGER {quote_ident(row['name'])} ON {row['relation']}"
        # Of the extension's own function, and for a source that the caller has been found to own.
        run_as_extension_owner(db, lambda statement=statement: db.execute(statement))  # type: ignore[misc]


def _number(arguments: Sequence[str] | None) -> int | None:
    """The number of a source, from a trigger that anybody may have made."""
    if not arguments or len(arguments) != 1 or not _NUMBER.fullmatch(arguments[0]):
        return None
    number = int(arguments[0])
    return number if number < 1 << 31 else None


def _changed(source: Source, event: str) -> list[str]:
    """Queries for the keys of the rows that a statement changed."""
    tables = [name for name in ("changed", "former") if f" AS {name}" in _EVENTS[event]]
    return [f"SELECT {source.table.key_object}::text AS key FROM {name} AS t" for name in tables]


def _leading(source: Source, trigger: dict[str, Any]) -> list[str]:
    """The same for rows that lead to a changed row, of another table or of the same."""
    return [
        f"SELECT {source.table.key_object}::text AS key FROM {source.target} AS t"
        f" WHERE t.{quote_ident(join.column)} IN (SELECT c.{quote_ident(join.key)} FROM changed AS c)"
        for join in source.joins
        if join.oid == int(trigger["relid"]) and trigger["event"] in _JOINED_EVENTS
    ]


def _followed(db: Connection, source: int, event: str, prefix: str = "") -> set[str]:
    return {row["relation"] for row in _triggers(db, source) if row["name"] == _name(source, event, prefix)}


def _triggers(db: Connection, source: int) -> list[Row]:
    """The triggers of a source: others may have its names, and not its function."""
    return db.rows(
        "SELECT g.tgname::text AS name, format('%I.%I', n.nspname, c.relname) AS relation FROM pg_trigger AS g"
        " JOIN pg_class AS c ON c.oid = g.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE g.tgfoid = 'llm.graph_follow()'::regprocedure AND g.tgargs = convert_to($1, 'UTF8') || '\\x00'::bytea",
        ("text",),
        (str(source),),
    )


def _create_trigger(db: Connection, source: int, event: str, relation: str, prefix: str = "") -> None:
    """A trigger that DROP EXTENSION removes, so that an uninstalled pg_llm never stops anybody from writing."""
    name = quote_ident(_name(source, event, prefix))
    db.execute(
        f"CREATE TRIGGER {name} AFTER {event} ON {relation} {_EVENTS[event]}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION llm.graph_follow('{source}')"
    )
    db.execute(f"ALTER TRIGGER {name} ON {relation} DEPENDS ON EXTENSION pg_llm")


def _name(source: int, event: str, prefix: str) -> str:
    return f"zz_graph_{source}_{prefix}{event.lower()}"
