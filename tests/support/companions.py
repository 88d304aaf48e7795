"""How a companion table compares with what it should hold: the chunks of the texts that its source has today."""

from __future__ import annotations

import psycopg
from database import value
from psycopg import sql

_INDEX = """
    SELECT i.companion::text, i.columns, i.key, ARRAY(
        SELECT a.attname::text FROM pg_attribute AS a
        WHERE a.attrelid = i.companion AND a.attnum BETWEEN 1 AND cardinality(i.key) ORDER BY a.attnum
    )
    FROM llm.semantic_index AS i
    WHERE i.target IN (SELECT llm.relation_ancestors(%s::regclass)) AND i.name = coalesce(%s, i.name)
"""
_HAS_TEXT = "{document} ~ '\\S'"
_MISSING = f"{{source}} AS t WHERE {_HAS_TEXT} AND NOT EXISTS (SELECT FROM {{companion}} AS c WHERE {{is_true}})"
_SURPLUS = f"{{companion}} AS c WHERE NOT EXISTS (SELECT FROM {{source}} AS t WHERE {_HAS_TEXT} AND {{is_true}})"
_UNTRUE = "{companion} AS c JOIN {source} AS t ON {is_true} WHERE c.embedding <=> llm_embed({document}) > 1e-4"


def companion(db: psycopg.Connection, table: str = "note", name: str | None = None) -> str:
    """The companion table of the only index of a table, or of the one of that name."""
    ((found, *_),) = db.execute(_INDEX, (table, name)).fetchall()
    return str(found)


def missing(db: psycopg.Connection, table: str = "note", name: str | None = None) -> int:
    """How many rows with text lack chunks that were made of that text."""
    return _count(db, _MISSING, table, name)


def surplus(db: psycopg.Connection, table: str = "note", name: str | None = None) -> int:
    """How many chunks are not of the text that a row has today."""
    return _count(db, _SURPLUS, table, name)


def untrue(db: psycopg.Connection, table: str = "note", name: str | None = None) -> int:
    """How many rows have a vector that is not that of their text; each text must be one chunk."""
    return _count(db, _UNTRUE, table, name)


def _count(db: psycopg.Connection, rows: str, table: str, name: str | None) -> int:
    ((found, columns, key, own),) = db.execute(_INDEX, (table, name)).fetchall()
    texts = [sql.SQL("nullif(t.{}::text, '')").format(sql.Identifier(column)) for column in columns]
    document = sql.SQL("concat_ws(E'\\n', {})").format(sql.SQL(", ").join(texts))
    pairs = [
        sql.SQL("t.{}::text = c.{}::text").format(sql.Identifier(of_source), sql.Identifier(of_companion))
        for of_source, of_companion in zip(key, own, strict=True)
    ]
    has_hash = sql.SQL("c.text_hash = sha256(convert_to({}, 'UTF8'))").format(document)
    query = sql.SQL("SELECT count(*) FROM " + rows).format(
        source=sql.SQL(table),
        companion=sql.SQL(found),
        document=document,
        is_true=sql.SQL(" AND ").join([*pairs, has_hash]),
    )
    return int(value(db, query.as_string(db)))
