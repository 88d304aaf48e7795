"""Statement triggers on the tables of live sources, which keep a graph up to date (incremental maintenance)."""

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
from pg_llm.graph.access import TriggerAccess
from pg_llm.graph.source import Source

_EVENTS = {
    "INSERT": "REFERENCING NEW TABLE AS changed",
    "UPDATE": "REFERENCING OLD TABLE AS former NEW TABLE AS changed",
    "DELETE": "REFERENCING OLD TABLE AS former",
    "TRUNCATE": "",
}
_SOURCE_ID = re.compile("[1-9][0-9]{0,9}", re.ASCII)
# A referenced row can be deleted only after the rows that refer to it have changed, so there is no DELETE trigger.
_REFERENCED_EVENTS = ("INSERT", "UPDATE")
# The live source with that id, if relation and trigger are such as create_triggers() makes, and if the graph's owner
# still has the rights of the table's owner. The lock blocks merging and the source's removal until the end.
_LIVE_SOURCE = """
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
    AND llm.is_trigger_as_fired($2::oid, $3, $4, 'llm.graph_follow()')
    AND pg_get_userbyid(g.owner) = g.usename AND pg_has_role(g.owner, c.relowner, 'USAGE')
    FOR KEY SHARE OF s
"""


def ingest_changed_rows(db: Connection, trigger: dict[str, Any]) -> None:
    """Ingest the rows that the statement changed, and those that refer to a row that it changed.

    A trigger that was made by hand, and not by `create_triggers`, is ignored.
    """
    source_id = _source_id(trigger["args"])
    if source_id is None or trigger["when"] != "AFTER" or trigger["level"] != "STATEMENT":
        return
    values = (source_id, int(trigger["relid"]), trigger["name"], trigger["event"])
    rows = run_as_extension_owner(db, lambda: db.rows(_LIVE_SOURCE, ("int4", "int8", "name", "text"), values))
    if not rows:
        return
    row = rows[0]
    source = graph_source.of_row(db, row)
    access = TriggerAccess(db, row["table_owner"], row["graph_owner"])
    queries = [*(_changed_keys(source, trigger["event"]) if row["own"] else ()), *_referencing_keys(source, trigger)]
    keys = {
        each["key"]
        for query in queries
        for each in access.read(source, lambda query=query: db.query_unprepared(query))  # type: ignore[misc]
    }
    ingestion = ingest.Ingestion(db, source, row, access)
    if trigger["event"] == "TRUNCATE":
        ingestion.delete_missing(lambda: None)
    elif keys:
        ingestion.ingest_keys(sorted(keys))


def check_readable(db: Connection, source: Source) -> None:
    """Raise InsufficientPrivilege for a table that cannot be read as its owner without running foreign code."""
    owner = db.rows("SELECT relowner::int8 AS oid FROM pg_class WHERE oid = $1::oid", ("int8",), (source.table.oid,))
    table_access.check_reading(db, [source.table.oid, *source.foreign_oids], owner[0]["oid"])


def create_triggers(db: Connection, source: Source) -> None:
    """Create the missing triggers on the table, its partitions and the tables that its foreign keys refer to."""
    parts = catalog.parts(db, source.table, "rp")
    for event in _EVENTS:
        for part in sorted(set(parts) - _tables_with_trigger(db, source.id, event)):
            _create_trigger(db, source.id, event, part)
    for number, key in enumerate(source.foreign_keys):
        prefix = f"{number}_"
        for event in _REFERENCED_EVENTS:
            done = key.relation in parts or key.relation in _tables_with_trigger(db, source.id, event, prefix)
            if not done:
                _create_trigger(db, source.id, event, key.relation, prefix)


def drop_triggers(db: Connection, source: int) -> None:
    """Drop all triggers of a source, also those on tables that have another owner by now."""
    for row in _triggers(db, source):
        statement = f"DROP TRIGGER {quote_ident(row['name'])} ON {row['relation']}"
        # This is safe: they call the extension's own function, for a source that the caller owns.
        run_as_extension_owner(db, lambda statement=statement: db.execute(statement))  # type: ignore[misc]


def _source_id(arguments: Sequence[str] | None) -> int | None:
    """The id of a source in the arguments of a trigger; None for arguments of a trigger that was made by hand."""
    if not arguments or len(arguments) != 1 or not _SOURCE_ID.fullmatch(arguments[0]):
        return None
    source = int(arguments[0])
    return source if source < 1 << 31 else None


def _changed_keys(source: Source, event: str) -> list[str]:
    """Queries for the primary keys of the rows that a statement changed."""
    tables = [name for name in ("changed", "former") if f" AS {name}" in _EVENTS[event]]
    return [f"SELECT {source.table.key_object}::text AS key FROM {name} AS t" for name in tables]


def _referencing_keys(source: Source, trigger: dict[str, Any]) -> list[str]:
    """Queries for the primary keys of the rows whose foreign keys refer to a changed row."""
    return [
        f"SELECT {source.table.key_object}::text AS key FROM {source.from_item} AS t"
        f" WHERE t.{quote_ident(key.column)} IN (SELECT c.{quote_ident(key.key)} FROM changed AS c)"
        for key in source.foreign_keys
        if key.oid == int(trigger["relid"]) and trigger["event"] in _REFERENCED_EVENTS
    ]


def _tables_with_trigger(db: Connection, source: int, event: str, prefix: str = "") -> set[str]:
    return {row["relation"] for row in _triggers(db, source) if row["name"] == _trigger_name(source, event, prefix)}


def _triggers(db: Connection, source: int) -> list[Row]:
    """The triggers of a source, known by their function: triggers of others may have the same names."""
    return db.rows(
        "SELECT g.tgname::text AS name, format('%I.%I', n.nspname, c.relname) AS relation FROM pg_trigger AS g"
        " JOIN pg_class AS c ON c.oid = g.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE g.tgfoid = 'llm.graph_follow()'::regprocedure AND g.tgargs = convert_to($1, 'UTF8') || '\\x00'::bytea",
        ("text",),
        (str(source),),
    )


def _create_trigger(db: Connection, source: int, event: str, relation: str, prefix: str = "") -> None:
    """Create a trigger that DROP EXTENSION drops, so that an uninstalled extension never makes a write fail."""
    name = quote_ident(_trigger_name(source, event, prefix))
    db.execute(
        f"CREATE TRIGGER {name} AFTER {event} ON {relation} {_EVENTS[event]}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION llm.graph_follow('{source}')"
    )
    db.execute(f"ALTER TRIGGER {name} ON {relation} DEPENDS ON EXTENSION pg_llm")


def _trigger_name(source: int, event: str, prefix: str) -> str:
    return f"zz_graph_{source}_{prefix}{event.lower()}"
