"""Semantic indexes: a vector and a tsvector beside a table's text, filled in batches and kept true by triggers.

The row trigger's arguments hold the definition, so that it lives, moves, is dumped and is dropped with its table.
"""

from __future__ import annotations

import json
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, models
from pg_llm.database import ownership as named
from pg_llm.database.catalog import METRICS, Table
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.progress import Report, reporting
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.database.transaction import pinned
from pg_llm.errors import DuplicateIndex, Error, InvalidInput
from pg_llm.search import backfill, semantic_column
from pg_llm.search.semantic_column import SemanticColumn

_METHODS = ("hnsw", "ivfflat", "none")
_SYNCS = ("live", "manual")
_DEFINITION = ("name", "columns", "model", "method", "metric", "sync", "text_config")
# An identifier holds 63 bytes, and the longest made from the name adds "_sync_" and two oids.
_NAME_BYTES = 36
# pgvector's limit for an index on the type vector.
_INDEXED_DIMENSIONS = 2000
# SQLSTATE of a query that was cancelled, and of a session that was ended.
_CANCELLED = ("57014", "57P01")
_EVENTS = ("insert", "update")
# Statement triggers that follow no index any more, also of partitions that were detached.
_ORPHANS = """
    SELECT g.tgname::text AS trigger, format('%I.%I', n.nspname, c.relname) AS relation
    FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE g.tgfoid = 'llm.semantic_follow()'::regprocedure AND g.tgname = ANY($1)
    AND pg_has_role(c.relowner, 'USAGE') AND NOT EXISTS (
        SELECT FROM llm.embedding_column AS e WHERE e.target = coalesce(pg_partition_root(c.oid), c.oid)
        AND g.tgname IN ('zz_' || e.name || '_insert', 'zz_' || e.name || '_update')
    )
"""


def semantic_index(
    db: Connection,
    target: str | None,
    columns: list[str | None] | None,
    model: str | None,
    name: str | None,
    method: str | None,
    metric: str | None,
    sync: str | None,
) -> None:
    """Index the text of a table's columns for semantic_search, and keep the index true."""
    oid = named.oid(db, target)
    with pinned(db) as commit:
        table = catalog.table(db, oid)
        found = models.find(db, model, "embedding")
        column = SemanticColumn(
            table=table,
            name=_checked_name(name),
            columns=named.columns(table, columns),
            model=found.name,
            method=arguments.choice("method", method, _METHODS),
            metric=arguments.choice("metric", metric, METRICS),
            sync=arguments.choice("sync", sync, _SYNCS),
            text_config=db.rows("SELECT get_current_ts_config()::text AS config")[0]["config"],
        )
        named.check_owner(db, table)
        dimensions = found.dimensions or int(found.ask("load")["dimensions"])
        if column.method != "none" and dimensions > _INDEXED_DIMENSIONS:
            raise InvalidInput(
                f'model "{found.name}" gives {dimensions} dimensions; pgvector indexes {_INDEXED_DIMENSIONS}',
                hint="Use method => 'none' (exact search), or a model with fewer dimensions.",
            )
        with reporting(db, "semantic_index", table.relation, column.name) as report:
            _take_turns(db, table)
            new = not _is_there(db, column)
            if new:
                _define(db, column, dimensions)
            _follow(db, column)
            commit()
            try:
                backfill.fill(db, column, report, commit)
            except (Error, DatabaseError) as error:
                # What was cancelled, or has gone well for a while, is taken up again by another call.
                if new and error.sqlstate not in _CANCELLED and not backfill.filled(db, column):
                    _remove(db, column)
                    commit()
                raise
            _build(db, column, report)


def semantic_refresh(db: Connection, target: str | None, name: str | None) -> None:
    """Fill in whatever a semantic index lacks: rows of a manual index, of new partitions, of an interrupted fill."""
    oid = named.oid(db, target)
    with pinned(db) as commit:
        column = semantic_column.find(db, oid, name)
        named.check_owner(db, column.table)
        with reporting(db, "semantic_refresh", column.table.relation, column.name) as report:
            _follow(db, column)
            commit()
            backfill.fill(db, column, report, commit)


def semantic_drop(db: Connection, target: str | None, name: str | None) -> None:
    """Remove a semantic index with its columns and triggers."""
    oid = named.oid(db, target)
    with pinned(db):
        column = semantic_column.find(db, oid, name, whole=False)
        named.check_owner(db, column.table)
        _remove(db, column)


def semantic_sync(db: Connection, target: str | None, name: str | None, keys: str | None) -> None:
    """Embed the rows with these primary keys that lack an embedding; for the table's owner."""
    column = semantic_column.find(db, arguments.required("target", target), arguments.required("name", name))
    named.check_owner(db, column.table)
    keys = arguments.required("keys", keys)
    backfill.as_owner(db, column.table, lambda: backfill.fill_keys(db, column, keys))


def semantic_follow(db: Connection, trigger: dict[str, Any]) -> None:
    """Statement trigger of a live semantic index: embeds what was written, with the rights of the table's owner."""
    if len(trigger["args"] or ()) != 1:
        return
    (name,) = trigger["args"]
    if not db.query_unprepared(f"SELECT FROM changed AS t WHERE t.{quote_ident(name)} IS NULL LIMIT 1"):
        return
    table = catalog.table(db, trigger["relid"])
    found = [column for column in semantic_column.existing(db, table) if column.name == name]
    # None on a partition that has been detached, or once an indexed column has been dropped with CASCADE.
    if found:
        semantic_column.check_whole(found[0])
        backfill.as_owner(db, table, lambda: _embed_changed(db, found[0]))


def _embed_changed(db: Connection, column: SemanticColumn) -> None:
    keys = db.query_unprepared(
        f"SELECT jsonb_agg({column.table.key_object})::text AS keys FROM changed AS t"
        f" WHERE {column.vector} IS NULL AND {column.document} <> ''"
    )[0]["keys"]
    if keys is not None:
        backfill.fill_keys(db, column, keys)


def _checked_name(name: str | None) -> str:
    name = arguments.required("name", name)
    if not 0 < len(name.encode()) <= _NAME_BYTES:
        raise InvalidInput(
            f'name is "{name}", and must have 1 to {_NAME_BYTES} bytes', hint="Triggers are named after it."
        )
    return name


def _take_turns(db: Connection, table: Table) -> None:
    """Until the next commit, no other session changes the table's semantic indexes; its writers go on."""
    db.execute(f"LOCK TABLE {table.relation} IN SHARE UPDATE EXCLUSIVE MODE")


def _is_there(db: Connection, column: SemanticColumn) -> bool:
    """Whether exactly this index is there already. Raises DuplicateIndex if something else is in the way."""
    table = column.table
    for other in semantic_column.existing(db, table):
        if other == column:
            return True
        if other.name == column.name:
            raise DuplicateIndex(
                f'table {table.relation} already has a semantic index "{column.name}" that differs',
                detail=f"On {', '.join(other.columns)}: {other.model}; {other.method}, {other.metric}, {other.sync}",
                hint=f"CALL semantic_drop('{table.relation}', '{column.name}'); or choose another name.",
            )
    for name in (column.name, column.text_name):
        if name in table.columns:
            raise DuplicateIndex(
                f'table {table.relation} already has a column "{name}"', hint="Choose another name => '…'."
            )
    return False


def _define(db: Connection, column: SemanticColumn, dimensions: int) -> None:
    relation, quoted, literal = column.table.relation, quote_ident, quote_literal
    db.execute(
        f"ALTER TABLE {relation}"
        f" ADD COLUMN {quoted(column.name)} {catalog.schema_of(db, 'vector')}.vector({dimensions}),"
        f" ADD COLUMN {quoted(column.text_name)} tsvector"
    )
    about = f"of {', '.join(column.columns)}, kept by pg_llm"
    for name, what in ((column.name, f"Embedding by {column.model}"), (column.text_name, "Full-text form")):
        db.execute(f"COMMENT ON COLUMN {relation}.{quoted(name)} IS {literal(f'{what} {about}')}")
    changed = (
        " IS DISTINCT FROM ".join(column.table.columns[name].text(f"{row}.{quoted(name)}") for row in ("OLD", "NEW"))
        for name in column.columns
    )
    definition = json.dumps({name: getattr(column, name) for name in _DEFINITION})
    _create_trigger(
        db,
        column,
        "forget",
        relation,
        f"BEFORE UPDATE ON {relation} FOR EACH ROW WHEN ({' OR '.join(changed)})"
        f" EXECUTE FUNCTION llm.semantic_forget({literal(definition)})",
    )


def _follow(db: Connection, column: SemanticColumn) -> None:
    """Give a live index its statement triggers, on the table and on each partition, where they are missing."""
    if column.sync != "live":
        return
    for part in sorted(set(catalog.parts(db, column.table, "rp")) - set(_followed(db, column))):
        for event in _EVENTS:
            _create_trigger(
                db,
                column,
                event,
                part,
                f"AFTER {event.upper()} ON {part} REFERENCING NEW TABLE AS changed"
                f" FOR EACH STATEMENT EXECUTE FUNCTION llm.semantic_follow({quote_literal(column.name)})",
            )


def _remove(db: Connection, column: SemanticColumn) -> None:
    relation, quoted = column.table.relation, quote_ident
    db.execute(f"DROP TRIGGER {quoted(_trigger(column, 'forget'))} ON {relation}")
    for row in db.rows(_ORPHANS, ("name[]",), ([_trigger(column, event) for event in _EVENTS],)):
        db.execute(f"DROP TRIGGER {quoted(row['trigger'])} ON {row['relation']}")
    db.execute(
        f"ALTER TABLE {relation} DROP COLUMN IF EXISTS {quoted(column.name)},"
        f" DROP COLUMN IF EXISTS {quoted(column.text_name)}"
    )


def _followed(db: Connection, column: SemanticColumn) -> list[str]:
    """The table and those partitions that have the statement triggers."""
    found = db.query_unprepared(
        f"""
        SELECT format('%I.%I', n.nspname, c.relname) AS relation
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_trigger AS g ON g.tgrelid = c.oid AND g.tgname = $1
        WHERE {column.table.tree} AND g.tgfoid = 'llm.semantic_follow()'::regprocedure
        """,
        ("name",),
        (_trigger(column, "insert"),),
    )
    return [row["relation"] for row in found]


def _create_trigger(db: Connection, column: SemanticColumn, event: str, relation: str, definition: str) -> None:
    """A trigger that DROP EXTENSION removes, so that an uninstalled pg_llm never stops anybody from writing."""
    name = quote_ident(_trigger(column, event))
    db.execute(f"CREATE TRIGGER {name} {definition}")
    db.execute(f"ALTER TRIGGER {name} ON {relation} DEPENDS ON EXTENSION pg_llm")


def _trigger(column: SemanticColumn, event: str) -> str:
    # Row triggers fire in the order of their names; this one must see what the others made of the row.
    return f"zz_{column.name}_{event}"


def _build(db: Connection, column: SemanticColumn, report: Report) -> None:
    """Create the indexes that are missing, and statistics for the planner and for term rarity."""
    relation, quoted = column.table.relation, quote_ident
    wanted = {column.text_name: f"gin ({quoted(column.text_name)})"}
    if column.method != "none":
        operators = f"{catalog.schema_of(db, 'vector')}.{METRICS[column.metric][0]}"
        wanted[column.name] = f"{column.method} ({quoted(column.name)} {operators}){_index_options(db, column)}"
    _take_turns(db, column.table)
    there = db.rows(
        """
        SELECT a.attname::text AS name
        FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = $1::oid
        """,
        ("bigint",),
        (column.table.oid,),
    )
    missing = [definition for name, definition in wanted.items() if name not in {row["name"] for row in there}]
    for number, definition in enumerate(missing):
        report("building indexes", number, len(missing))
        db.execute(f"CREATE INDEX ON {relation} USING {definition}")
    if missing:
        db.execute(f"ANALYZE {relation}")


def _index_options(db: Connection, column: SemanticColumn) -> str:
    if column.method != "ivfflat":
        return ""
    rows = backfill.filled(db, column)
    # pgvector's README: rows / 1000 up to a million rows, sqrt(rows) above.
    return f" WITH (lists = {max(1, rows // 1000 if rows <= 1_000_000 else int(rows**0.5))})"
