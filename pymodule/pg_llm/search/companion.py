"""The companion table of a semantic index: chunks, vectors and words beside the source, keyed by the source's rows.

It belongs to the owner of the source; its row-level security shows whoever may read a row of the source the chunks of
that row. Nothing in it refers to the source by a constraint or a view, so that TRUNCATE, DROP and ALTER of the source
are what they were without it; triggers and an event trigger keep the two together.
"""

from __future__ import annotations

from pg_llm.database import catalog
from pg_llm.database.catalog import METRICS, Table
from pg_llm.database.connection import Connection
from pg_llm.database.progress import Report
from pg_llm.database.quoting import derived_name, quote_ident, quote_literal
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.errors import DuplicateIndex
from pg_llm.search.semantic_index import COLUMNS, Definition, SemanticIndex

_REGISTER = """
    INSERT INTO llm.all_semantic_index (
        source, companion, number, key, key_numbers, columns, column_numbers, context, context_numbers, model, method,
        metric, sync, chunking, chunk_tokens, chunk_overlap, template, storage, text_config, sentences
    )
    SELECT $1::oid, $2::oid, $1::oid, $3, n.key, $4, n.columns, $5, n.context,
           $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
    FROM (SELECT <key> AS key, <columns> AS columns, <context> AS context) AS n
    RETURNING id
"""
_NUMBERS = """ARRAY(
    SELECT a.attnum FROM unnest(<names>::name[]) WITH ORDINALITY AS w (name, place)
    JOIN pg_attribute AS a ON a.attrelid = $1::oid AND a.attname = w.name ORDER BY w.place
)"""
# A companion of a given name, of another source than this one, and what that is called by now.
_NAMESAKE = """
    SELECT s.relname::text AS source
    FROM llm.semantic_index AS i
    JOIN pg_class AS c ON c.oid = i.companion AND pg_get_userbyid(c.relowner) = current_user
    JOIN pg_class AS s ON s.oid = i.target
    WHERE i.companion = to_regclass($1) AND i.target <> $2::oid
"""


def default_name(source_name: str, what: str = "embedding") -> str:
    """The name of the companion of a table, cut to what an identifier holds."""
    return derived_name(source_name, what)


def free_default_name(db: Connection, source: Table, name: str) -> None:
    """Rename the companion that has this source's default name, where its own source is called otherwise by now.

    So a table can be swapped for another before the old one is dropped, as dbt does it.
    """
    relation = f"{source.schema}.{quote_ident(name)}"
    for row in db.rows(_NAMESAKE, ("text", "int8"), (relation, source.oid)):
        own = quote_ident(default_name(row["source"]))
        taken = db.rows("SELECT to_regclass($1)::oid::int8 AS oid", ("text",), (f"{source.schema}.{own}",))[0]["oid"]
        if taken is None:
            db.execute(f"ALTER TABLE {relation} RENAME TO {own}")


def create(db: Connection, source: Table, name: str, definition: Definition, dimensions: int) -> int:
    """Create an empty companion table beside the source, as its owner, and register the index. Returns its id."""
    relation = f"{source.schema}.{quote_ident(name)}"
    found = db.rows("SELECT to_regclass($1)::oid::int8 AS oid", ("text",), (relation,))[0]["oid"]
    if found is not None:
        raise DuplicateIndex(
            f'there is already a table, view or index "{name}" in the schema of {source.relation}',
            hint="Choose another name => '…'.",
        )
    own = [name if name not in COLUMNS else f"source_{name}" for name in source.key]
    keys = ", ".join(
        f"{source.columns[name].plain(source.cell(name))} AS {quote_ident(alias)}"
        for name, alias in zip(source.key, own, strict=True)
    )
    unlogged = db.rows("SELECT relpersistence = 'u' AS is FROM pg_class WHERE oid = $1::oid", ("int8",), (source.oid,))
    schema = catalog.schema_of(db, "vector")
    db.execute(
        f"CREATE {'UNLOGGED ' if unlogged[0]['is'] else ''}TABLE {relation} AS"
        f" SELECT {keys} FROM {source.relation} AS t WITH NO DATA"
    )
    primary = ", ".join(quote_ident(alias) for alias in own)
    db.execute(
        f"ALTER TABLE {relation} ADD COLUMN chunk int4 NOT NULL, ADD COLUMN start_pos int4 NOT NULL,"
        f" ADD COLUMN end_pos int4 NOT NULL, ADD COLUMN text_hash bytea NOT NULL,"
        f" ADD COLUMN embedding {schema}.{definition.storage}({dimensions}) NOT NULL,"
        f" ADD COLUMN words tsvector NOT NULL, ADD PRIMARY KEY ({primary}, chunk), ENABLE ROW LEVEL SECURITY,"
        # A search by words reads many of them: they stay in the row, vectors give way.
        " ALTER COLUMN words SET STORAGE MAIN"
    )
    comment = f"Chunks, embeddings by {definition.model} and words of {source.relation}, kept by pg_llm"
    db.execute(f"COMMENT ON TABLE {relation} IS {quote_literal(comment)}")
    oid = db.rows("SELECT to_regclass($1)::oid::int8 AS oid", ("text",), (relation,))[0]["oid"]
    number = _register(db, source, oid, definition)
    db.rows("SELECT llm.create_companion_policy($1::oid::regclass)", ("int8",), (oid,))
    db.execute(f"GRANT SELECT ON {relation} TO PUBLIC")
    return number


def _register(db: Connection, source: Table, companion: int, definition: Definition) -> int:
    d = definition
    query = _REGISTER
    for place, names in (("<key>", "$3"), ("<columns>", "$4"), ("<context>", "$5")):
        query = query.replace(place, _NUMBERS.replace("<names>", names))
    types = ("int8", "int8", *("name[]",) * 3, *("text",) * 5, "int4", "int4", *("text",) * 4)
    values = (
        *(source.oid, companion, list(source.key), d.columns, d.context, d.model, d.method, d.metric, d.sync),
        *(d.chunking, d.chunk_tokens, d.chunk_overlap, d.template, d.storage, d.text_config, d.sentences),
    )
    return int(run_as_extension_owner(db, lambda: db.rows(query, types, values))[0]["id"])


def drop(db: Connection, id: int, companion: str | None) -> None:
    """Drop the triggers of an index, and its companion if it is still there; the catalog forgets it with that."""
    db.rows("SELECT llm.drop_companion_triggers('index', $1, NULL)", ("int4",), (id,))
    if companion is not None:
        # Everybody may read it, and so make a view on it, which must not keep it.
        db.execute(f"DROP TABLE {companion} CASCADE")
    run_as_extension_owner(db, lambda: db.rows("DELETE FROM llm.all_semantic_index WHERE id = $1", ("int4",), (id,)))


def build_indexes(db: Connection, index: SemanticIndex, report: Report) -> None:
    """Create the missing indexes on vectors and words, and statistics for the planner and for BM25."""
    if not _missing_indexes(db, index):
        return
    # One session builds: of two that do, each would wait in ANALYZE for the other's CREATE INDEX.
    db.execute(f"LOCK TABLE {index.companion} IN SHARE ROW EXCLUSIVE MODE")
    missing = _missing_indexes(db, index)
    for number, column in enumerate(missing):
        report("building indexes", number, len(missing))
        definition = "gin (words)" if column == "words" else _vector_index(db, index)
        db.execute(f"CREATE INDEX ON {index.companion} USING {definition}")
    if missing:
        db.execute(f"ANALYZE {index.companion}")


def _missing_indexes(db: Connection, index: SemanticIndex) -> list[str]:
    """The columns that want an index and have none."""
    indexed = db.rows(
        """
        SELECT a.attname::text AS name
        FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = $1::oid
        """,
        ("int8",),
        (index.companion_oid,),
    )
    names = {row["name"] for row in indexed}
    wanted = ("words",) if index.definition.method == "none" else ("words", "embedding")
    return [name for name in wanted if name not in names]


def _vector_index(db: Connection, index: SemanticIndex) -> str:
    method, metric, storage = index.definition.method, index.definition.metric, index.definition.storage
    operators = METRICS[metric][0].replace("vector_", f"{storage}_")
    schema = catalog.schema_of(db, "vector")
    return f"{method} (embedding {schema}.{operators}){_index_options(db, index)}"


def _index_options(db: Connection, index: SemanticIndex) -> str:
    if index.definition.method != "ivfflat":
        return ""
    rows = db.query_unprepared(f"SELECT count(*) AS n FROM {index.companion}")[0]["n"]
    # pgvector's README: rows / 1000 up to a million rows, sqrt(rows) above.
    return f" WITH (lists = {max(1, rows // 1000 if rows <= 1_000_000 else int(rows**0.5))})"
