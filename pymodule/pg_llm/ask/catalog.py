"""The catalogue that questions are read by: what tables and columns mean, and questions whose SQL is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import models, progress, sandbox, search_path, transaction
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.models import Model
from pg_llm.database.sandbox import READABLE
from pg_llm.errors import InvalidInput, UndefinedObject

_LONGEST = 4000
_AT_ONCE = 256
# Of a table that the caller may read and each such column: its name in words, its comment, what the caller said of it.
_CONTENTS = f"""
    WITH readable AS (
        SELECT c.oid, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE {READABLE} AND NOT c.relispartition AND ($1::text[] IS NULL OR n.nspname = ANY($1))
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


def llm_catalog_refresh(db: Connection, schemas: list[str] | None) -> None:
    """Embed names and meanings of the tables and columns that you may read, so that questions find them among many."""
    with transaction.pinned(db) as commit, progress.reporting(db, "llm_catalog_refresh", "", "") as report:
        _known_schemas(db, schemas)
        model = models.find(db, None, "embedding")
        report("reading the catalog", 0, 0)
        contents = {(row["oid"], row["column"]): _content(row) for row in db.rows(_CONTENTS, ("text[]",), (schemas,))}
        held = {
            (row["oid"], row["column"]): (row["model"], row["content"])
            for row in db.rows(
                'SELECT target::oid::bigint AS oid, "column"::text AS "column", model, content FROM llm.catalog'
            )
        }
        _forget(db, _gone(db, schemas, set(held) - set(contents)))
        commit()
        missing = [key for key, text in contents.items() if held.get(key) != (model.name, text)]
        for start in range(0, len(missing), _AT_ONCE):
            report("embedding", start, len(missing))
            part = missing[start : start + _AT_ONCE]
            _store(db, part, [contents[key] for key in part], model)
            commit()


def _known_schemas(db: Connection, schemas: list[str] | None) -> None:
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


def _content(row: dict[str, Any]) -> str:
    from pg_llm.ask.grammar import words

    parts = (" ".join(words.split(row["name"])), row["description"], row["comment"])
    return ". ".join(part for part in parts if part)[:_LONGEST] or row["name"]


def _gone(db: Connection, schemas: list[str] | None, keys: set[tuple[int, str]]) -> list[tuple[int, str]]:
    """Those of the schemas at hand, and of tables that are no more."""
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
    known = {row["oid"] for row in inside}
    return sorted(key for key in keys if key[0] in known)


def _forget(db: Connection, keys: Sequence[tuple[int, str]]) -> None:
    db.rows(
        """
        DELETE FROM llm.catalog AS c USING unnest($1::bigint[], $2::text[]) AS g (oid, "column")
        WHERE c.target = g.oid::oid AND c."column" = g."column"::name
        """,
        ("bigint[]", "text[]"),
        ([oid for oid, _ in keys], [column for _, column in keys]),
    )


def _store(db: Connection, keys: Sequence[tuple[int, str]], texts: Sequence[str], model: Model) -> None:
    vectors = model.run("embedding", texts)
    db.rows(
        f"""
        INSERT INTO llm.catalog (target, "column", model, content, embedding)
        SELECT g.oid::oid::regclass, g."column"::name, $3, g.content, g.vector::{vector_type(db)}
        FROM unnest($1::bigint[], $2::text[], $4::text[], $5::text[]) AS g (oid, "column", content, vector)
        ON CONFLICT (usename, target, "column") DO UPDATE
        SET model = excluded.model, content = excluded.content, embedding = excluded.embedding
        """,
        ("bigint[]", "text[]", "text", "text[]", "text[]"),
        ([oid for oid, _ in keys], [column for _, column in keys], model.name, list(texts), vectors),
    )


def vector_type(db: Connection) -> str:
    """The type vector, in full."""
    from pg_llm.database.catalog import schema_of

    return f"{schema_of(db, 'vector')}.vector"


def llm_describe(db: Connection, object: str | None, text: str | None) -> None:
    """Say what a table or column means in your questions; NULL takes it back."""
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        target, column = _object(db, arguments.required("object", object), path)
        if text is not None and (len(text) > _LONGEST or not text.strip()):
            raise InvalidInput(f"a description has 1 to {_LONGEST} characters", hint="NULL takes it back.")
        query = 'DELETE FROM llm.description WHERE target = $1::bigint::oid AND "column" = $2::name'
        db.rows(query, ("bigint", "text"), (target, column))
        if text is not None:
            db.rows(
                'INSERT INTO llm.description (target, "column", description) VALUES ($1::oid::regclass, $2::name, $3)',
                ("bigint", "text", "text"),
                (target, column, text.strip()),
            )


def _object(db: Connection, name: str, path: Sequence[str]) -> tuple[int, str]:
    """The table, and the column or an empty text, that a name stands for. Raises UndefinedObject."""
    try:
        with db.savepoint():
            parts = list(db.rows("SELECT parse_ident($1) AS parts", ("text",), (name,))[0]["parts"])
    except DatabaseError as error:
        if error.sqlstate != "22023":
            raise
        raise UndefinedObject(f'not a name: "{name[:100]}"') from error
    ways = [(None, parts[0], "")] if len(parts) == 1 else []
    ways += [(None, parts[0], parts[1]), (parts[0], parts[1], "")] if len(parts) == 2 else []
    ways += [(parts[0], parts[1], parts[2])] if len(parts) == 3 else []
    for schema, table, column in ways:
        found = db.rows(
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
        if found:
            return int(found[0]["oid"]), column
    raise UndefinedObject(f"there is no table or column {name[:100]} that you may read")


def llm_teach(db: Connection, question: str | None, sql: str | None) -> None:
    """Say which SELECT answers a question, so that similar ones of yours are answered so; NULL forgets it."""
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        teach(db, arguments.required("question", question), sql, path)


def teach(db: Connection, question: str, sql: str | None, path: Sequence[str]) -> None:
    """Keep a question with its SQL, or forget it. Raises InvalidInput for SQL that would not be run."""
    asked = " ".join(question.split())
    if not 0 < len(asked) <= _LONGEST:
        raise InvalidInput(f"a question has 1 to {_LONGEST} characters")
    db.rows("DELETE FROM llm.taught WHERE question = $1", ("text",), (asked,))
    if sql is None:
        return
    checked = sandbox.check(db, [sql], path)[0]
    if isinstance(checked, sandbox.Refused):
        raise InvalidInput(
            str(checked), hint="One SELECT on tables that you may read, with PostgreSQL's own functions."
        )
    model = models.find(db, None, "embedding")
    db.rows(
        f"INSERT INTO llm.taught (question, sql, model, embedding) VALUES ($1, $2, $3, $4::{vector_type(db)})",
        ("text",) * 4,
        (asked, checked.qualified.strip(), model.name, model.run("embedding", [asked])[0]),
    )


def forget(db: Connection, question: str, sql: str | None) -> None:
    """Forget a taught question that was answered wrongly by this SQL."""
    query = "DELETE FROM llm.taught WHERE lower(question) = lower($1) AND (sql = $2 OR $2 IS NULL)"
    db.rows(query, ("text", "text"), (" ".join(question.split()), sql))
