"""Semantic indexes: a vector and a tsvector beside a table's text, filled in batches and kept up to date by triggers.

The definition is stored in the row trigger's arguments, so that it is moved, dumped and dropped with its table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pg_llm.database import catalog, models, ownership
from pg_llm.database.catalog import METRICS, Table
from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.progress import Report, reporting
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.database.transaction import pinned
from pg_llm.errors import DuplicateIndex, Error, InvalidInput
from pg_llm.search import backfill, semantic_column
from pg_llm.search.semantic_column import SemanticColumn

METHODS = ("hnsw", "ivfflat", "none")
SYNCS = ("live", "manual")
# An identifier holds 63 bytes; the longest one made from the name adds "_sync_" and two oids.
MAX_NAME_BYTES = 36
# Fields of the definition in the row trigger's argument.
_DEFINITION = ("name", "columns", "model", "method", "metric", "sync", "text_config")
# pgvector's limit for an index on the type vector.
_MAX_INDEXED_DIMENSIONS = 2000
# SQLSTATE of a cancelled query, and of a terminated session.
_INTERRUPTED = (CANCELLED, "57P01")
_EVENTS = ("insert", "update")
# Statement triggers without an index to maintain, also those of partitions that were detached.
_ORPHANED_TRIGGERS = """
    SELECT g.tgname::text AS trigger, format('%I.%I', n.nspname, c.relname) AS relation
    FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE g.tgfoid = 'llm.semantic_follow()'::regprocedure AND g.tgname = ANY($1)
    AND pg_has_role(c.relowner, 'USAGE') AND NOT EXISTS (
        SELECT FROM llm.embedding_column AS e WHERE e.target = coalesce(pg_partition_root(c.oid), c.oid)
        AND g.tgname IN ('zz_' || e.name || '_insert', 'zz_' || e.name || '_update')
    )
"""


_OWN_TRIGGER = """
    SELECT FROM pg_trigger AS g
    WHERE g.tgrelid = $1::oid AND g.tgname = $2 AND g.tgnewtable = 'changed'
"""


def create(
    db: Connection,
    target: str,
    columns: list[str | None] | None,
    model: str | None,
    name: str,
    method: str,
    metric: str,
    sync: str,
) -> None:
    """Define the index unless it is there already, fill it, and build the database's indexes on it.

    A new index that cannot be filled at all is removed again; one that is filled in part is resumed by another call.
    """
    oid = ownership.oid(db, target)
    with pinned(db) as commit:
        table = catalog.table(db, oid)
        encoder = models.find(db, model, "embedding")
        column = SemanticColumn(
            table=table,
            name=name,
            columns=ownership.columns(table, columns),
            model=encoder.name,
            method=method,
            metric=metric,
            sync=sync,
            text_config=db.rows("SELECT get_current_ts_config()::text AS config")[0]["config"],
        )
        ownership.check_owner(db, table)
        dimensions = encoder.dimensions or int(encoder.ask("load")["dimensions"])
        if column.method != "none" and dimensions > _MAX_INDEXED_DIMENSIONS:
            raise InvalidInput(
                f'model "{encoder.name}" gives {dimensions} dimensions; pgvector indexes {_MAX_INDEXED_DIMENSIONS}',
                hint="Use method => 'none' (exact search), or a model with fewer dimensions.",
            )
        with reporting(db, "semantic_index", table.relation, column.name) as report:
            _lock(db, table)
            is_new = not _exists(db, column)
            if is_new:
                _define(db, column, dimensions)
            _create_statement_triggers(db, column)
            commit()
            try:
                backfill.fill(db, column, report, commit)
            except (Error, DatabaseError) as error:
                if is_new and error.sqlstate not in _INTERRUPTED and not backfill.filled_count(db, column):
                    _remove(db, column)
                    commit()
                raise
            _build_indexes(db, column, report)


def refresh(db: Connection, target: str | None, name: str | None) -> None:
    """Embed the rows that lack a vector, and give new partitions their triggers."""
    oid = ownership.oid(db, target)
    with pinned(db) as commit:
        column = semantic_column.find(db, oid, name)
        ownership.check_owner(db, column.table)
        with reporting(db, "semantic_refresh", column.table.relation, column.name) as report:
            _create_statement_triggers(db, column)
            commit()
            backfill.fill(db, column, report, commit)


def drop(db: Connection, target: str | None, name: str | None) -> None:
    """Remove an index, even an incomplete one, with its columns and triggers."""
    oid = ownership.oid(db, target)
    with pinned(db):
        column = semantic_column.find(db, oid, name, complete=False)
        ownership.check_owner(db, column.table)
        _remove(db, column)


def embed_keys(db: Connection, target: str, name: str, keys: str) -> None:
    """Embed the rows with these primary keys, a JSON array of objects."""
    column = semantic_column.find(db, target, name)
    ownership.check_owner(db, column.table)
    backfill.run_as_owner(db, column.table, lambda: backfill.fill_keys(db, column, keys))


def embed_changed(db: Connection, trigger: Mapping[str, Any]) -> None:
    """Embed the rows of a statement trigger's transition table `changed` that lack a vector.

    A trigger that was made by hand, and not by `create`, is ignored: without a transition table, `changed` would be
    whatever the writer calls so.
    """
    relation: str = trigger["relid"]
    trigger_arguments: list[str] = trigger["args"] or []
    if len(trigger_arguments) != 1 or trigger["when"] != "AFTER" or trigger["level"] != "STATEMENT":
        return
    (name,) = trigger_arguments
    if not db.rows(_OWN_TRIGGER, ("int8", "name"), (int(relation), trigger["name"])):
        return
    if not db.query_unprepared(f"SELECT FROM changed AS t WHERE t.{quote_ident(name)} IS NULL LIMIT 1"):
        return
    table = catalog.table(db, relation)
    matches = [column for column in semantic_column.of_table(db, table) if column.name == name]
    # A detached partition has none, nor a table whose indexed column was dropped with CASCADE.
    if matches:
        semantic_column.check_complete(matches[0])
        backfill.run_as_owner(db, table, lambda: _embed_transition_table(db, matches[0]))


def _embed_transition_table(db: Connection, column: SemanticColumn) -> None:
    keys = db.query_unprepared(
        f"SELECT jsonb_agg({column.table.key_object})::text AS keys FROM changed AS t"
        f" WHERE {column.vector} IS NULL AND {column.document} <> ''"
    )[0]["keys"]
    if keys is not None:
        backfill.fill_keys(db, column, keys)


def _lock(db: Connection, table: Table) -> None:
    """Until the next commit keep other sessions from changing the table's semantic indexes, but not its writers."""
    db.execute(f"LOCK TABLE {table.relation} IN SHARE UPDATE EXCLUSIVE MODE")


def _exists(db: Connection, column: SemanticColumn) -> bool:
    """Whether exactly this index exists. Raises DuplicateIndex for another one, or a column, of its name."""
    table = column.table
    for other in semantic_column.of_table(db, table):
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
    for name, kind in ((column.name, f"Embedding by {column.model}"), (column.text_name, "Full-text form")):
        comment = f"{kind} of {', '.join(column.columns)}, kept by pg_llm"
        db.execute(f"COMMENT ON COLUMN {relation}.{quoted(name)} IS {literal(comment)}")
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


def _create_statement_triggers(db: Connection, column: SemanticColumn) -> None:
    """Create the missing statement triggers of a live index, on the table and on each partition."""
    if column.sync != "live":
        return
    for relation in sorted(set(catalog.parts(db, column.table, "rp")) - set(_relations_with_triggers(db, column))):
        for event in _EVENTS:
            _create_trigger(
                db,
                column,
                event,
                relation,
                f"AFTER {event.upper()} ON {relation} REFERENCING NEW TABLE AS changed"
                f" FOR EACH STATEMENT EXECUTE FUNCTION llm.semantic_follow({quote_literal(column.name)})",
            )


def _remove(db: Connection, column: SemanticColumn) -> None:
    relation, quoted = column.table.relation, quote_ident
    db.execute(f"DROP TRIGGER {quoted(_trigger_name(column, 'forget'))} ON {relation}")
    for row in db.rows(_ORPHANED_TRIGGERS, ("name[]",), ([_trigger_name(column, event) for event in _EVENTS],)):
        db.execute(f"DROP TRIGGER {quoted(row['trigger'])} ON {row['relation']}")
    db.execute(
        f"ALTER TABLE {relation} DROP COLUMN IF EXISTS {quoted(column.name)},"
        f" DROP COLUMN IF EXISTS {quoted(column.text_name)}"
    )


def _relations_with_triggers(db: Connection, column: SemanticColumn) -> list[str]:
    """The table and those partitions that have the statement triggers."""
    rows = db.query_unprepared(
        f"""
        SELECT format('%I.%I', n.nspname, c.relname) AS relation
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_trigger AS g ON g.tgrelid = c.oid AND g.tgname = $1
        WHERE {column.table.tree} AND g.tgfoid = 'llm.semantic_follow()'::regprocedure
        """,
        ("name",),
        (_trigger_name(column, "insert"),),
    )
    return [row["relation"] for row in rows]


def _create_trigger(db: Connection, column: SemanticColumn, event: str, relation: str, definition: str) -> None:
    """Create a trigger that DROP EXTENSION removes, so that writes go on without pg_llm."""
    name = quote_ident(_trigger_name(column, event))
    db.execute(f"CREATE TRIGGER {name} {definition}")
    db.execute(f"ALTER TRIGGER {name} ON {relation} DEPENDS ON EXTENSION pg_llm")


def _trigger_name(column: SemanticColumn, event: str) -> str:
    # Row triggers fire in the order of their names, and this one must see the row as the others leave it.
    return f"zz_{column.name}_{event}"


def _build_indexes(db: Connection, column: SemanticColumn, report: Report) -> None:
    """Create the missing indexes on both columns, and statistics for the planner and for BM25."""
    relation, quoted = column.table.relation, quote_ident
    definitions = {column.text_name: f"gin ({quoted(column.text_name)})"}
    if column.method != "none":
        operators = f"{catalog.schema_of(db, 'vector')}.{METRICS[column.metric][0]}"
        definitions[column.name] = f"{column.method} ({quoted(column.name)} {operators}){_index_options(db, column)}"
    _lock(db, column.table)
    indexed = db.rows(
        """
        SELECT a.attname::text AS name
        FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = $1::oid
        """,
        ("bigint",),
        (column.table.oid,),
    )
    indexed_names = {row["name"] for row in indexed}
    missing = [definition for name, definition in definitions.items() if name not in indexed_names]
    for number, definition in enumerate(missing):
        report("building indexes", number, len(missing))
        db.execute(f"CREATE INDEX ON {relation} USING {definition}")
    if missing:
        db.execute(f"ANALYZE {relation}")


def _index_options(db: Connection, column: SemanticColumn) -> str:
    if column.method != "ivfflat":
        return ""
    rows = backfill.filled_count(db, column)
    # pgvector's README: rows / 1000 up to a million rows, sqrt(rows) above.
    return f" WITH (lists = {max(1, rows // 1000 if rows <= 1_000_000 else int(rows**0.5))})"
