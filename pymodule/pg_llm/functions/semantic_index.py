"""Semantic indexes: a vector and a tsvector beside a table's text, filled in batches and kept true by triggers.

The row trigger's arguments hold the definition, so that it lives, moves, is dumped and is dropped with its table.
"""

from __future__ import annotations

import json

import plpy

from pg_llm.errors import DuplicateIndex, InvalidInput
from pg_llm.functions import arguments, semantic_fill, session
from pg_llm.functions import named_table as named
from pg_llm.functions import semantic_column as catalog
from pg_llm.functions.progress import Report, reported
from pg_llm.functions.semantic_column import METRICS, SemanticColumn, Table
from pg_llm.functions.session import sql_function
from pg_llm.functions.transaction import pinned

_METHODS = ("hnsw", "ivfflat", "none")
_SYNCS = ("live", "manual")
_DEFINITION = ("name", "columns", "model", "method", "metric", "sync", "text_config")
# An identifier holds 63 bytes, and the longest made from the name adds "_sync_" and two oids.
_NAME_BYTES = 36
# pgvector's limit for an index on the type vector.
_INDEXED_DIMENSIONS = 2000


@sql_function
def semantic_index(
    target: str | None,
    columns: list[str | None] | None,
    model: str | None,
    name: str | None,
    method: str | None,
    metric: str | None,
    sync: str | None,
) -> None:
    """Index the text of a table's columns for semantic_search, and keep the index true."""
    oid = named.oid(target)
    with pinned() as commit:
        table = catalog.table(oid)
        found = session.model(model, "embedding")
        column = SemanticColumn(
            table=table,
            name=_checked_name(name),
            columns=named.columns(table, columns),
            model=found.name,
            method=arguments.choice("method", method, _METHODS),
            metric=arguments.choice("metric", metric, METRICS),
            sync=arguments.choice("sync", sync, _SYNCS),
            text_config=session.rows("SELECT get_current_ts_config()::text AS config")[0]["config"],
        )
        named.check_owner(table)
        dimensions = found.dimensions or int(found.ask("load")["dimensions"])
        if column.method != "none" and dimensions > _INDEXED_DIMENSIONS:
            raise InvalidInput(
                f'model "{found.name}" gives {dimensions} dimensions; pgvector indexes {_INDEXED_DIMENSIONS}',
                hint="Use method => 'none' (exact search), or a model with fewer dimensions.",
            )
        with reported("semantic_index", table.relation, column.name) as report:
            _take_turns(table)
            if not _is_there(column):
                _define(column, dimensions)
            _follow(column)
            commit()
            semantic_fill.fill(column, report, commit)
            _build(column, report)


@sql_function
def semantic_refresh(target: str | None, name: str | None) -> None:
    """Fill in whatever a semantic index lacks: rows of a manual index, of new partitions, of an interrupted fill."""
    oid = named.oid(target)
    with pinned() as commit:
        column = catalog.find(oid, name)
        named.check_owner(column.table)
        with reported("semantic_refresh", column.table.relation, column.name) as report:
            _follow(column)
            commit()
            semantic_fill.fill(column, report, commit)


@sql_function
def semantic_drop(target: str | None, name: str | None) -> None:
    """Remove a semantic index with its columns, triggers and function."""
    oid = named.oid(target)
    with pinned():
        column = catalog.find(oid, name, whole=False)
        named.check_owner(column.table)
        relation, quoted = column.table.relation, plpy.quote_ident
        plpy.execute(f"DROP TRIGGER {quoted(_trigger(column, 'forget'))} ON {relation}")
        if column.sync == "live":
            _unfollow(column)
        plpy.execute(
            f"ALTER TABLE {relation} DROP COLUMN IF EXISTS {quoted(column.name)},"
            f" DROP COLUMN IF EXISTS {quoted(column.text_name)}"
        )


@sql_function
def semantic_sync(target: str | None, name: str | None, keys: str | None) -> None:
    """Embed the rows with these primary keys that lack an embedding; the triggers of a live index call it."""
    table = catalog.table(session.required("target", target))
    found = [column for column in catalog.existing(table) if column.name == session.required("name", name)]
    # None on a partition that has been detached, or once an indexed column has been dropped with CASCADE.
    if found:
        catalog.check_whole(found[0])
        semantic_fill.fill_keys(found[0], session.required("keys", keys))


def _checked_name(name: str | None) -> str:
    name = session.required("name", name)
    if not 0 < len(name.encode()) <= _NAME_BYTES:
        raise InvalidInput(
            f'name is "{name}", and must have 1 to {_NAME_BYTES} bytes', hint="Triggers are named after it."
        )
    return name


def _take_turns(table: Table) -> None:
    """Until the next commit, no other session changes the table's semantic indexes; its writers go on."""
    plpy.execute(f"LOCK TABLE {table.relation} IN SHARE UPDATE EXCLUSIVE MODE")


def _is_there(column: SemanticColumn) -> bool:
    """Whether exactly this index is there already. Raises DuplicateIndex if something else is in the way."""
    table = column.table
    for other in catalog.existing(table):
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


def _define(column: SemanticColumn, dimensions: int) -> None:
    relation, quoted, literal = column.table.relation, plpy.quote_ident, plpy.quote_literal
    plpy.execute(
        f"ALTER TABLE {relation}"
        f" ADD COLUMN {quoted(column.name)} {catalog.schema_of('vector')}.vector({dimensions}),"
        f" ADD COLUMN {quoted(column.text_name)} tsvector"
    )
    about = f"of {', '.join(column.columns)}, kept by pg_llm"
    for name, what in ((column.name, f"Embedding by {column.model}"), (column.text_name, "Full-text form")):
        plpy.execute(f"COMMENT ON COLUMN {relation}.{quoted(name)} IS {literal(f'{what} {about}')}")
    changed = (f"OLD.{c}::text IS DISTINCT FROM NEW.{c}::text" for c in map(quoted, column.columns))
    definition = json.dumps({name: getattr(column, name) for name in _DEFINITION})
    _create_trigger(
        column,
        "forget",
        relation,
        f"BEFORE UPDATE ON {relation} FOR EACH ROW WHEN ({' OR '.join(changed)})"
        f" EXECUTE FUNCTION llm.semantic_forget({literal(definition)})",
    )


def _follow(column: SemanticColumn) -> None:
    """Give a live index its statement triggers, on the table and on each partition, where they are missing."""
    if column.sync != "live":
        return
    function, owner = _sync_function(column)
    if owner not in (None, column.table.owner):
        # The table has a new owner, with whose rights its writers' statements are to run from now on.
        _unfollow(column)
        function, _ = _sync_function(column)
    missing = set(catalog.parts(column.table, "rp")) - set(_followed(column))
    if missing:
        _create_sync_function(column, function)
    for part in sorted(missing):
        for event in ("insert", "update"):
            _create_trigger(
                column,
                event,
                part,
                f"AFTER {event.upper()} ON {part} REFERENCING NEW TABLE AS changed"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}",
            )


def _unfollow(column: SemanticColumn) -> None:
    """Remove the statement triggers and their function; a function that belongs to somebody else stays, unused."""
    function, owner = _sync_function(column)
    for part in _followed(column):
        for event in ("insert", "update"):
            plpy.execute(f"DROP TRIGGER {plpy.quote_ident(_trigger(column, event))} ON {part}")
    if owner and named.acts_for(owner):
        # With the triggers of partitions that have been detached.
        plpy.execute(f"DROP FUNCTION {function} CASCADE")


def _followed(column: SemanticColumn) -> list[str]:
    """The table and those partitions that have the statement triggers."""
    return catalog.parts(column.table, "rp", _trigger(column, "insert"))


def _create_sync_function(column: SemanticColumn, function: str) -> None:
    """A function that writers' statements run with the table owner's rights: who may INSERT need not see the vectors.

    It reads the transition table, which only PL/pgSQL can, and hands over keys. Nobody else may attach it to a table.
    """
    table = column.table
    body = f"""
BEGIN
    IF EXISTS (SELECT FROM changed AS t WHERE {column.vector} IS NULL) THEN
        PERFORM {catalog.schema_of("pg_llm")}.semantic_sync(
            TG_RELID, {plpy.quote_literal(column.name)},
            (SELECT pg_catalog.jsonb_agg({table.key_object}) FROM changed AS t WHERE {column.vector} IS NULL)
        );
    END IF;
    RETURN NULL;
END
"""
    for statement in (
        f"CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        # Keys in full, however few digits the writer's session shows.
        f" SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 AS {plpy.quote_literal(body)}",
        f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC",
        f"COMMENT ON FUNCTION {function} IS {plpy.quote_literal(f'Keeps {column.name} of {table.relation} true')}",
        f"ALTER FUNCTION {function} DEPENDS ON EXTENSION pg_llm",
        f"ALTER FUNCTION {function} OWNER TO {plpy.quote_ident(table.owner)}",
    ):
        plpy.execute(statement)


def _create_trigger(column: SemanticColumn, event: str, relation: str, definition: str) -> None:
    """A trigger that DROP EXTENSION removes, so that an uninstalled pg_llm never stops anybody from writing."""
    name = plpy.quote_ident(_trigger(column, event))
    plpy.execute(f"CREATE TRIGGER {name} {definition}")
    plpy.execute(f"ALTER TRIGGER {name} ON {relation} DEPENDS ON EXTENSION pg_llm")


def _trigger(column: SemanticColumn, event: str) -> str:
    # Row triggers fire in the order of their names; this one must see what the others made of the row.
    return f"zz_{column.name}_{event}"


def _sync_function(column: SemanticColumn) -> tuple[str, str | None]:
    """The function that the insert trigger calls with its owner, or a new name and None.

    A restored table's has the oids of its former life in its name.
    """
    table = column.table
    found = session.rows(
        """
        SELECT g.tgfoid::regprocedure::text AS function, pg_get_userbyid(f.proowner)::text AS owner
        FROM pg_trigger AS g JOIN pg_proc AS f ON f.oid = g.tgfoid
        WHERE g.tgrelid = coalesce(pg_partition_root($1::oid), $1::oid) AND g.tgname = $2
        """,
        ("bigint", "name"),
        (table.oid, _trigger(column, "insert")),
    )
    if found:
        return found[0]["function"], found[0]["owner"]
    owner = session.rows("SELECT $1::regrole::oid::bigint AS oid", ("text",), (plpy.quote_ident(table.owner),))[0][
        "oid"
    ]
    return f"{table.schema}.{plpy.quote_ident(f'{column.name}_sync_{table.oid}_{owner}')}()", None


def _build(column: SemanticColumn, report: Report) -> None:
    """Create the indexes that are missing, and statistics for the planner and for term rarity."""
    relation, quoted = column.table.relation, plpy.quote_ident
    wanted = {column.text_name: f"gin ({quoted(column.text_name)})"}
    if column.method != "none":
        operators = f"{catalog.schema_of('vector')}.{METRICS[column.metric][0]}"
        wanted[column.name] = f"{column.method} ({quoted(column.name)} {operators}){_index_options(column)}"
    _take_turns(column.table)
    there = session.rows(
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
        plpy.execute(f"CREATE INDEX ON {relation} USING {definition}")
    if missing:
        plpy.execute(f"ANALYZE {relation}")


def _index_options(column: SemanticColumn) -> str:
    if column.method != "ivfflat":
        return ""
    rows = session.rows_once(f"SELECT count({column.vector}) AS n FROM {column.table.relation} AS t")[0]["n"]
    # pgvector's README: rows / 1000 up to a million rows, sqrt(rows) above.
    return f" WITH (lists = {max(1, rows // 1000 if rows <= 1_000_000 else int(rows**0.5))})"
