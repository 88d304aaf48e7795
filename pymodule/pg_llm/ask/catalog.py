"""Descriptions of tables and columns, and embeddings of their names, by which questions are linked to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.ask import words
from pg_llm.database import models, progress, sandbox, search_path, transaction
from pg_llm.database.catalog import schema_of
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.models import Model
from pg_llm.database.sandbox import OF_ITS_OWN, READABLE
from pg_llm.errors import InvalidInput, UndefinedObject

_LONGEST_ENTRY = 4000
_LONGEST_DESCRIPTION = 4000
_BATCH = 256
# The readable tables and columns with their comments and the caller's descriptions.
_CONTENTS = f"""
    WITH readable AS (
        SELECT c.oid, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE {READABLE} AND {OF_ITS_OWN} AND ($1::text[] IS NULL OR n.nspname = ANY($1))
    )
    SELECT r.oid::bigint AS oid, '' AS "column", r.relname::text AS name,
           obj_description(r.oid, 'pg_class') AS comment, d.description
    FROM readable AS r LEFT JOIN llm.description AS d ON d.target = r.oid AND d."column" = ''
    UNION ALL
    SELECT r.oid::bigint, a.attname::text, a.attname::text, col_description(a.attrelid, a.attnum), d.description
    FROM readable AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN llm.description AS d ON d.target = r.oid AND d."column" = a.attname
    WHERE has_column_privilege(r.oid, a.attnum, 'SELECT')
    ORDER BY 1, 2
"""


def refresh(db: Connection, schemas: list[str] | None) -> None:
    """Embed the names and descriptions of all readable tables and columns, and drop entries of others."""
    with transaction.pinned(db) as commit, progress.reporting(db, "llm_catalog_refresh", "", "") as report:
        _check_schemas(db, schemas)
        model = models.find(db, None, "embedding")
        report("reading the catalog", 0, 0)
        contents = {
            (row["oid"], row["column"]): _entry_text(row) for row in db.rows(_CONTENTS, ("text[]",), (schemas,))
        }
        stored = {
            (row["oid"], row["column"]): (row["model"], row["content"])
            for row in db.rows(
                'SELECT target::oid::bigint AS oid, "column"::text AS "column", model, content FROM llm.catalog'
            )
        }
        _delete_entries(db, _stale_entries(db, schemas, set(stored) - set(contents)))
        commit()
        missing = [key for key, text in contents.items() if stored.get(key) != (model.name, text)]
        for start in range(0, len(missing), _BATCH):
            report("embedding", start, len(missing))
            batch = missing[start : start + _BATCH]
            _store_entries(db, batch, [contents[key] for key in batch], model)
            commit()


def _check_schemas(db: Connection, schemas: list[str] | None) -> None:
    if schemas is None:
        return
    query = """
        SELECT coalesce(s.name, 'NULL') AS name FROM unnest($1::text[]) AS s (name)
        WHERE s.name IS NULL OR to_regnamespace(quote_ident(s.name)) IS NULL LIMIT 1
    """
    for unknown in (row["name"] for row in db.rows(query, ("text[]",), (schemas,))):
        raise InvalidInput(
            f'there is no schema "{unknown}"', hint="NULL means all schemas with tables that you may read."
        )


def _entry_text(row: dict[str, Any]) -> str:
    parts = (" ".join(words.split_name(row["name"])), row["description"], row["comment"])
    return ". ".join(part for part in parts if part)[:_LONGEST_ENTRY] or row["name"]


def _stale_entries(db: Connection, schemas: list[str] | None, keys: set[tuple[int, str]]) -> list[tuple[int, str]]:
    """The entries to drop: those of the given schemas, and of tables that no longer exist."""
    if schemas is None or not keys:
        return sorted(keys)
    inside = db.rows(
        """
        SELECT o.oid FROM unnest($1::bigint[]) AS o (oid) LEFT JOIN pg_class AS c ON c.oid = o.oid::oid
        LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.oid IS NULL OR n.nspname = ANY($2::text[])
        """,
        ("bigint[]", "text[]"),
        (sorted({oid for oid, _ in keys}), schemas),
    )
    stale_oids = {row["oid"] for row in inside}
    return sorted(key for key in keys if key[0] in stale_oids)


def _delete_entries(db: Connection, keys: Sequence[tuple[int, str]]) -> None:
    db.rows(
        """
        DELETE FROM llm.catalog AS c USING unnest($1::bigint[], $2::text[]) AS g (oid, "column")
        WHERE c.target = g.oid::oid AND c."column" = g."column"::name
        """,
        ("bigint[]", "text[]"),
        ([oid for oid, _ in keys], [column for _, column in keys]),
    )


def _store_entries(db: Connection, keys: Sequence[tuple[int, str]], texts: Sequence[str], model: Model) -> None:
    vectors = model.run("embedding", texts)
    db.rows(
        f"""
        INSERT INTO llm.catalog (target, "column", model, content, embedding)
        SELECT g.oid::oid::regclass, g."column"::name, $3, g.content, g.vector::{schema_of(db, "vector")}.vector
        FROM unnest($1::bigint[], $2::text[], $4::text[], $5::text[]) AS g (oid, "column", content, vector)
        ON CONFLICT (usename, target, "column") DO UPDATE
        SET model = excluded.model, content = excluded.content, embedding = excluded.embedding
        """,
        ("bigint[]", "text[]", "text", "text[]", "text[]"),
        ([oid for oid, _ in keys], [column for _, column in keys], model.name, list(texts), vectors),
    )


def describe(db: Connection, object: str, text: str | None) -> None:
    """Store the caller's description of a table or column, or drop it."""
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        store_description(db, object, text, path)


def store_description(db: Connection, object: str, text: str | None, path: Sequence[str]) -> None:
    """Store or drop a description, under a pinned search path. Raises InvalidInput, UndefinedObject."""
    if text is not None and not 0 < len(text) <= _LONGEST_DESCRIPTION:
        raise InvalidInput(f"a description has 1 to {_LONGEST_DESCRIPTION} characters", hint="NULL takes it back.")
    target, column = resolve_object(db, object, path)
    query = 'DELETE FROM llm.description WHERE target = $1::bigint::oid AND "column" = $2::name'
    db.rows(query, ("bigint", "text"), (target, column))
    if text is not None:
        db.rows(
            'INSERT INTO llm.description (target, "column", description) VALUES ($1::oid::regclass, $2::name, $3)',
            ("bigint", "text", "text"),
            (target, column, text),
        )


def resolve_object(db: Connection, name: str, path: Sequence[str]) -> tuple[int, str]:
    """The oid of the table, and the column or an empty text, that a name refers to. Raises UndefinedObject."""
    try:
        with db.savepoint():
            parts = list(db.rows("SELECT parse_ident($1) AS parts", ("text",), (name,))[0]["parts"])
    except DatabaseError as error:
        if error.sqlstate != "22023":
            raise
        raise UndefinedObject(f'not a name: "{name[:100]}"') from error
    readings = [(None, parts[0], "")] if len(parts) == 1 else []
    readings += [(None, parts[0], parts[1]), (parts[0], parts[1], "")] if len(parts) == 2 else []
    readings += [(parts[0], parts[1], parts[2])] if len(parts) == 3 else []
    for schema, table, column in readings:
        matches = db.rows(
            f"""
            SELECT c.oid::bigint AS oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relname = $2 AND (n.nspname = $1 OR $1 IS NULL AND n.nspname = ANY($3::text[])) AND {READABLE}
            AND ($4 = '' OR EXISTS (
                SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = $4 AND a.attnum > 0
                AND NOT a.attisdropped AND has_column_privilege(c.oid, a.attnum, 'SELECT')
            ))
            ORDER BY array_position($3::text[], n.nspname::text) LIMIT 1
            """,
            ("text", "text", "text[]", "text"),
            (schema, table, list(path), column),
        )
        if matches:
            return int(matches[0]["oid"]), column
    raise UndefinedObject(f"there is no table or column {name[:100]} that you may read")
