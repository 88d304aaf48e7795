"""Semantic indexes: a vector and a tsvector beside a table's text, filled in batches and kept true by triggers.

The row trigger's arguments hold the definition, so that it lives, moves, is dumped and is dropped with its table.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import plpy

from pg_llm.errors import DuplicateIndex, InsufficientPrivilege, InvalidInput
from pg_llm.functions import progress, session
from pg_llm.functions import semantic_column as catalog
from pg_llm.functions.semantic_column import METRICS, SemanticColumn
from pg_llm.functions.session import sql_function

_METHODS = ("hnsw", "ivfflat", "none")
_SYNCS = ("live", "manual")
# pgvector's limit for an index on the type vector.
_INDEXED_DIMENSIONS = 2000
_BATCH = 256
_BLOCKS = 256

Commit = Callable[[], None]


@sql_function
def semantic_index(
    target: str | None, columns: list[str | None] | None, model: str | None,
    name: str | None, method: str | None, metric: str | None, sync: str | None,
) -> None:  # fmt: skip
    """Index the text of a table's columns for semantic_search, and keep the index true."""
    table = catalog.table(session.required("target", target))
    names = _checked_columns(table, columns)
    name = session.required("name", name)
    found = session.model(model, "embedding")
    config = session.rows("SELECT pg_catalog.get_current_ts_config()::pg_catalog.text AS config")[0]["config"]
    column = SemanticColumn(
        table, name, names, found.name, _choice("method", method, _METHODS),
        _choice("metric", metric, METRICS), _choice("sync", sync, _SYNCS), config,
    )  # fmt: skip
    _check_owner(table)
    dimensions = found.dimensions or int(found.ask("load")["dimensions"])
    if column.method != "none" and dimensions > _INDEXED_DIMENSIONS:
        raise InvalidInput(
            f'model "{found.name}" gives {dimensions} dimensions, and pgvector indexes {_INDEXED_DIMENSIONS} at most',
            hint="Use method => 'none' (exact search), or a model with fewer dimensions.",
        )
    with _transactions() as commit, progress.reported("semantic_index", table.relation, name) as report:
        if not _is_there(column):
            _define(column, dimensions)
        commit()
        _fill(column, report, commit)
        _build_indexes(column, report)
        commit()


@sql_function
def semantic_refresh(target: str | None, name: str | None) -> None:
    """Fill in whatever a semantic index lacks: rows of a manual index, of new partitions, of an interrupted fill."""
    column = catalog.find(session.required("target", target), name)
    _check_owner(column.table)
    with _transactions() as commit, progress.reported("semantic_refresh", column.table.relation, column.name) as report:
        _follow(column)
        _fill(column, report, commit)


@sql_function
def semantic_drop(target: str | None, name: str | None) -> None:
    """Remove a semantic index with its columns, triggers and function."""
    column = catalog.find(session.required("target", target), name)
    _check_owner(column.table)
    with _transactions():
        relation, quoted = column.table.relation, plpy.quote_ident
        # The triggers go with the function they call.
        _execute(f"DROP FUNCTION IF EXISTS {_sync_function(column)} CASCADE")
        _execute(f"DROP TRIGGER {quoted(_trigger(column, 'forget'))} ON {relation}")
        _execute(f"ALTER TABLE {relation} DROP COLUMN {quoted(column.name)}, DROP COLUMN {quoted(column.text_name)}")


@sql_function
def semantic_sync(target: str | None, name: str | None, keys: str | None) -> None:
    """Embed the rows with these primary keys that lack an embedding; the triggers of a live index call it."""
    column = catalog.find(session.required("target", target), name)
    types = ", ".join(f"{plpy.quote_ident(key)} {kind}" for key, kind in column.table.key.items())
    same = " AND ".join(f"t.{quoted} = k.{quoted}" for quoted in map(plpy.quote_ident, column.table.key))
    found = session.rows_once(
        f"SELECT t.tableoid::pg_catalog.regclass::pg_catalog.text AS leaf, t.ctid::pg_catalog.text AS ctid"
        f" FROM pg_catalog.jsonb_to_recordset($1::pg_catalog.jsonb) AS k({types})"
        f" JOIN {column.table.relation} AS t ON {same} WHERE {column.vector} IS NULL",
        ("text",), (keys,),
    )  # fmt: skip
    for leaf in sorted({row["leaf"] for row in found}):
        _fill_rows(column, leaf, [row["ctid"] for row in found if row["leaf"] == leaf], lambda done: None)


def _checked_columns(table: catalog.Table, columns: list[str | None] | None) -> list[str]:
    names = [column for column in columns or [] if column is not None]
    if not names or len(names) != len(columns or []):
        raise InvalidInput("columns must name at least one column, and no NULL", hint="Write columns => '{title,body}'.")
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        raise InvalidInput(
            f'table {table.relation} has no column "{unknown[0]}"', hint=f"It has: {', '.join(table.columns)}."
        )
    return names


def _choice(what: str, value: str | None, choices: Sequence[str] | dict[str, Any]) -> str:
    if value not in choices:
        raise InvalidInput(f'invalid {what}: "{value}"', hint=f"Use one of: {', '.join(choices)}.")
    return str(value)


def _check_owner(table: catalog.Table) -> None:
    owns = session.rows("SELECT pg_catalog.pg_has_role($1, 'USAGE') AS owns", ("text",), (table.owner,))[0]["owns"]
    if not owns:
        raise InsufficientPrivilege(
            f"must be owner of table {table.relation}", hint=f'Run it as a member of the role "{table.owner}".'
        )


def _is_there(column: SemanticColumn) -> bool:
    """Whether exactly this index is there already. Raises DuplicateIndex if something else is in the way."""
    for other in catalog.existing(column.table):
        if other.name == column.name:
            if other == column:
                return True
            raise DuplicateIndex(
                f'table {column.table.relation} already has a semantic index "{column.name}" that differs',
                detail=f"It is on {', '.join(other.columns)}, with model {other.model}, {other.method}, {other.metric}, {other.sync}.",
                hint=f"CALL semantic_drop('{column.table.relation}', '{column.name}'); or choose another name.",
            )
    taken = [name for name in (column.name, column.text_name) if name in column.table.columns]
    if taken:
        raise DuplicateIndex(
            f'table {column.table.relation} already has a column "{taken[0]}"', hint="Choose another name => '…'."
        )
    return False


def _define(column: SemanticColumn, dimensions: int) -> None:
    relation, quoted, literal = column.table.relation, plpy.quote_ident, plpy.quote_literal
    _execute(
        f"ALTER TABLE {relation} ADD COLUMN {quoted(column.name)} {catalog.vector_schema()}.vector({dimensions}),"
        f" ADD COLUMN {quoted(column.text_name)} pg_catalog.tsvector"
    )
    about = f"of {', '.join(column.columns)}, kept by pg_llm"
    _execute(f"COMMENT ON COLUMN {relation}.{quoted(column.name)} IS {literal(f'Embedding by {column.model} {about}')}")
    _execute(f"COMMENT ON COLUMN {relation}.{quoted(column.text_name)} IS {literal(f'Full-text form {about}')}")
    definition = {name: getattr(column, name) for name in _DEFINITION}
    changed = (f"OLD.{c}::pg_catalog.text IS DISTINCT FROM NEW.{c}::pg_catalog.text" for c in map(quoted, column.columns))
    _trigger_until_uninstalled(
        column, "forget", relation, f"BEFORE UPDATE ON {relation} FOR EACH ROW WHEN ({' OR '.join(changed)})"
        f" EXECUTE FUNCTION llm.semantic_forget({literal(json.dumps(definition))})",
    )  # fmt: skip
    _follow(column)


_DEFINITION = ("name", "columns", "model", "method", "metric", "sync", "text_config")


def _follow(column: SemanticColumn) -> None:
    """Give a live index its statement triggers, on the table and on each partition, where they are missing."""
    if column.sync != "live":
        return
    _define_sync_function(column)
    missing = session.rows_once(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS relation"
        " FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid) AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.relid"
        " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')"
        " AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = c.oid AND g.tgname = $2)",
        ("int8", "text"), (column.table.oid, _trigger(column, "insert")),
    )  # fmt: skip
    for row in missing:
        for event in ("insert", "update"):
            _trigger_until_uninstalled(
                column, event, row["relation"], f"AFTER {event.upper()} ON {row['relation']}"
                f" REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {_sync_function(column)}",
            )  # fmt: skip


def _define_sync_function(column: SemanticColumn) -> None:
    """A function that the writers' statements run with the owner's rights: who may INSERT need not see the columns.

    It reads the transition table, which PL/pgSQL alone can, and hands over keys. Nobody else may attach it to a table.
    """
    function, table = _sync_function(column), column.table
    vector = plpy.quote_ident(column.name)
    functions = session.rows(
        "SELECT pg_catalog.quote_ident(n.nspname) AS schema FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n"
        " ON n.oid OPERATOR(pg_catalog.=) e.extnamespace WHERE e.extname OPERATOR(pg_catalog.=) 'pg_llm'"
    )[0]["schema"]
    body = (
        f"BEGIN IF EXISTS (SELECT FROM changed AS t WHERE t.{vector} IS NULL) THEN"
        f" PERFORM {functions}.semantic_sync(TG_RELID, {plpy.quote_literal(column.name)},"
        f" (SELECT pg_catalog.jsonb_agg({table.key_object}) FROM changed AS t WHERE t.{vector} IS NULL));"
        f" END IF; RETURN NULL; END"
    )
    _execute(
        f"CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        f" SET search_path = pg_catalog, pg_temp AS {plpy.quote_literal(body)}"
    )
    _execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    _execute(f"ALTER FUNCTION {function} DEPENDS ON EXTENSION pg_llm")
    _execute(f"COMMENT ON FUNCTION {function} IS {plpy.quote_literal(f'Keeps {column.name} of {table.relation} true')}")
    _execute(f"ALTER FUNCTION {function} OWNER TO {plpy.quote_ident(table.owner)}")


def _trigger_until_uninstalled(column: SemanticColumn, event: str, relation: str, definition: str) -> None:
    """A trigger that DROP EXTENSION removes, so that an uninstalled pg_llm never stops anybody from writing."""
    name = plpy.quote_ident(_trigger(column, event))
    _execute(f"CREATE TRIGGER {name} {definition}")
    _execute(f"ALTER TRIGGER {name} ON {relation} DEPENDS ON EXTENSION pg_llm")


def _trigger(column: SemanticColumn, event: str) -> str:
    # Row triggers fire in the order of their names; this one must see what the others made of the row.
    return f"zz_{column.name}_{event}"


def _sync_function(column: SemanticColumn) -> str:
    # Named by the table's oid at creation: table and column names together may be longer than a name can be.
    return f"{column.table.schema}.{plpy.quote_ident(f'semantic_sync_{column.table.oid}_{column.name}')}()"


def _fill(column: SemanticColumn, report: progress.Report, commit: Commit) -> None:
    """Embed every row that lacks it: one pass over the blocks, and another while the last one found something."""
    total = int(session.rows_once(
        f"SELECT count(*) AS count FROM {column.table.relation} AS t WHERE {column.vector} IS NULL AND {column.document} <> ''"
    )[0]["count"])  # fmt: skip
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        commit()
        report("embedding", done, max(total, done))

    report("embedding", 0, total)
    while any([_fill_leaf(column, leaf, count) for leaf in _leaves(column)]):
        pass


def _leaves(column: SemanticColumn) -> list[str]:
    found = session.rows_once(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS relation"
        " FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid) AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.relid"
        " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE p.isleaf AND c.relkind = 'r'",
        ("int8",), (column.table.oid,),
    )  # fmt: skip
    return [row["relation"] for row in found]


def _fill_leaf(column: SemanticColumn, leaf: str, count: Callable[[int], None]) -> int:
    """Rows embedded in one table; block by block, so that nothing is read twice and a repeated call goes on."""
    blocks = session.rows_once(
        "SELECT pg_catalog.pg_relation_size($1::pg_catalog.regclass)"
        " / pg_catalog.current_setting('block_size')::pg_catalog.int8 AS blocks",
        ("text",), (leaf,),
    )[0]["blocks"]  # fmt: skip
    filled = 0
    for first in range(0, blocks, _BLOCKS):
        found = session.rows_once(
            f"SELECT t.ctid::pg_catalog.text AS ctid FROM ONLY {leaf} AS t"
            f" WHERE t.ctid >= '({first},0)' AND t.ctid < '({first + _BLOCKS},0)' AND {column.vector} IS NULL"
        )
        filled += _fill_rows(column, leaf, [row["ctid"] for row in found], count)
    return filled


def _fill_rows(column: SemanticColumn, leaf: str, ctids: list[str], count: Callable[[int], None]) -> int:
    """Embed these rows; one whose text changed meanwhile keeps what its writer gave it."""
    model = session.model(column.model, "embedding")
    fingerprint = f"pg_catalog.hashtextextended({column.document}, 0)"
    filled = 0
    for first in range(0, len(ctids), _BATCH):
        found = session.rows_once(
            f"SELECT t.ctid::pg_catalog.text AS ctid, {fingerprint} AS fingerprint, {column.document} AS document"
            f" FROM ONLY {leaf} AS t WHERE t.ctid = ANY($1::pg_catalog.tid[]) AND {column.vector} IS NULL"
            f" AND {column.document} <> ''",
            ("text[]",), (ctids[first : first + _BATCH],),
        )  # fmt: skip
        if not found:
            continue
        vectors = model.run([row["document"] for row in found], role="document")
        done = plpy.execute(plpy.prepare(
            f"UPDATE ONLY {leaf} AS t SET {plpy.quote_ident(column.name)} = v.vector::{catalog.vector_schema()}.vector,"
            f" {plpy.quote_ident(column.text_name)} = {column.document_tsvector}"
            f" FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.tid[]), pg_catalog.unnest($2), pg_catalog.unnest($3))"
            f" AS v(ctid, fingerprint, vector)"
            f" WHERE t.ctid = v.ctid AND {column.vector} IS NULL AND {fingerprint} = v.fingerprint",
            ["text[]", "int8[]", "text[]"],
        ), [[row["ctid"] for row in found], [row["fingerprint"] for row in found], vectors])  # fmt: skip
        filled += done.nrows()
        count(done.nrows())
    return filled


def _build_indexes(column: SemanticColumn, report: progress.Report) -> None:
    relation = column.table.relation
    wanted = {column.text_name: f"gin ({plpy.quote_ident(column.text_name)})"}
    if column.method != "none":
        options = ""
        if column.method == "ivfflat":
            rows = session.rows_once(f"SELECT count({column.vector}) AS count FROM {relation} AS t")[0]["count"]
            # pgvector's README: rows / 1000 up to a million rows, sqrt(rows) above.
            options = f" WITH (lists = {max(1, rows // 1000 if rows <= 1_000_000 else int(rows**0.5))})"
        operators = f"{catalog.vector_schema()}.{METRICS[column.metric][0]}"
        wanted[column.name] = f"{column.method} ({plpy.quote_ident(column.name)} {operators}){options}"
    there = session.rows(
        "SELECT a.attname::pg_catalog.text AS name FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_attribute AS a"
        " ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]"
        " WHERE i.indrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid",
        ("int8",), (column.table.oid,),
    )  # fmt: skip
    missing = [definition for name, definition in wanted.items() if name not in {row["name"] for row in there}]
    for number, definition in enumerate(missing):
        report("building indexes", number, len(missing))
        _execute(f"CREATE INDEX ON {relation} USING {definition}")
    if missing:
        _execute(f"ANALYZE {relation}")


@contextlib.contextmanager
def _transactions() -> Iterator[Commit]:
    """Pin the search path, and give a function that commits where the procedure may.

    Inside somebody else's transaction block it may not: then everything happens in that transaction. A procedure that
    commits cannot carry SET search_path itself.
    """
    before = session.rows("SELECT pg_catalog.current_setting('search_path') AS path")[0]["path"]
    may_commit = _commit()

    def commit() -> None:
        if may_commit:
            plpy.commit()
            _set_path("pg_catalog, pg_temp")

    _set_path("pg_catalog, pg_temp")
    yield commit
    _set_path(before)


def _commit() -> bool:
    try:
        plpy.commit()
    except plpy.SPIError as error:
        if error.sqlstate != "2D000":
            raise
        return False
    return True


def _set_path(path: str) -> None:
    session.rows("SELECT pg_catalog.set_config('search_path', $1, true)", ("text",), (path,))


def _execute(statement: str) -> None:
    plpy.execute(statement)
