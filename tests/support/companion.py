"""What a semantic index's companion table must hold, told from the table and its texts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from database import value
from psycopg import sql
from psycopg.rows import namedtuple_row

# What is the same text has the same vector, whatever batch it was embedded in.
SAME_VECTOR = 1e-3
INDEXES = """
    SELECT i.*, i.target::text AS source, i.target::oid AS source_oid, ARRAY(
        SELECT a.attname::text FROM pg_attribute AS a
        WHERE a.attrelid = i.companion AND a.attnum BETWEEN 1 AND cardinality(i.key) ORDER BY a.attnum
    ) AS companion_key FROM llm.semantic_index AS i
    WHERE %s::regclass IS NULL OR i.target = %s::regclass ORDER BY i.id
"""


@dataclass(frozen=True)
class Difference:
    """Chunks that should not be there, that are not there and should be, and those with another text's vector."""

    extra: list[Any]
    missing: list[Any]
    untrue: list[Any]

    def __bool__(self) -> bool:
        return bool(self.extra or self.missing or self.untrue)


def indexes(db: psycopg.Connection, table: str | None = None) -> list[Any]:
    """The semantic indexes of a table, or of the whole database."""
    return db.cursor(row_factory=namedtuple_row).execute(INDEXES, (table, table)).fetchall()


def companion(db: psycopg.Connection, table: str) -> str:
    """The name of the companion of a table that has one index."""
    (index,) = indexes(db, table)
    return str(index.companion)


def document(columns: list[str], row: str = "t") -> sql.Composable:
    """The text of a row: the columns that are not empty, one a line."""
    parts = [
        sql.SQL("nullif(CASE WHEN {0} IS DISTINCT FROM NULL THEN format('%s', {0}) END, '')").format(
            sql.Identifier(row, c)
        )
        for c in columns
    ]
    return sql.SQL("concat_ws(E'\\n', {})").format(sql.SQL(", ").join(parts))


def expected(index: Any) -> sql.Composed:
    """Query of what the companion must hold: key as texts, chunk, places, hash of the document, the chunk's text."""
    key = sql.SQL(", ").join(sql.SQL("format('%s', {})").format(sql.Identifier("t", name)) for name in index.key)
    return sql.SQL("""
        SELECT ARRAY[{key}] AS key, c.ordinality::int AS chunk, c.start_pos, c.end_pos,
               sha256(convert_to(d.document, 'UTF8')) AS text_hash,
               CASE WHEN c.ordinality > 1 AND {is_titled} AND length({title}) BETWEEN 1 AND 200
                    THEN {title} || ': ' || c.chunk ELSE c.chunk END AS passage
        FROM {source} AS t, LATERAL (SELECT {document} AS document OFFSET 0) AS d,
             LATERAL llm_chunk(d.document, {chunking}, {tokens}, {overlap}, {model}) AS c
        WHERE d.document ~ '\\S'
    """).format(
        key=key,
        source=sql.SQL(index.source),
        document=document(index.columns),
        is_titled=sql.Literal(len(index.columns) > 1),
        title=sql.SQL("format('%s', {})").format(sql.Identifier("t", index.columns[0])),
        chunking=sql.Literal(index.chunking),
        tokens=sql.SQL("{}::int").format(sql.Literal(index.chunk_tokens)),
        overlap=sql.Literal(index.chunk_overlap or 0),
        model=sql.Literal(index.model),
    )


def difference(db: psycopg.Connection, index: Any, vectors: bool = True) -> Difference:
    """How the companion of an index differs from what the table's texts ask for, sentences within chunks left out."""
    names = (sql.Identifier("e", name) for name in index.companion_key)
    key = sql.SQL(", ").join(sql.SQL("format('%s', {})").format(name) for name in names)
    same = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("w", name), sql.Identifier("e", name)) for name in index.companion_key
    )
    actual = sql.SQL("""
        SELECT ARRAY[{key}] AS key, e.chunk, e.start_pos, e.end_pos, e.text_hash FROM {companion} AS e
        WHERE NOT (e.words = ''::tsvector AND EXISTS (
            SELECT FROM {companion} AS w WHERE {same} AND w.chunk < e.chunk AND w.text_hash = e.text_hash
            AND w.start_pos <= e.start_pos AND w.end_pos >= e.end_pos
        ))
    """).format(key=key, companion=sql.SQL(index.companion), same=same)
    wanted = sql.SQL("SELECT key, chunk, start_pos, end_pos, text_hash FROM ({}) AS x").format(expected(index))
    except_ = sql.SQL("({}) EXCEPT ALL ({})")
    extra = db.execute(except_.format(actual, wanted)).fetchall()
    missing = db.execute(except_.format(wanted, actual)).fetchall()
    untrue = []
    if vectors:
        untrue = db.execute(
            sql.SQL("""
                WITH wanted AS MATERIALIZED ({wanted}), numbered AS MATERIALIZED (
                    SELECT *, row_number() OVER () AS n FROM wanted
                ), vector AS MATERIALIZED (
                    SELECT b.ordinality AS n, b.embedding FROM llm_embed_batch(
                        (SELECT array_agg(passage ORDER BY n) FROM numbered), {model}
                    ) AS b
                )
                SELECT w.key, w.chunk, e.embedding::vector <=> v.embedding, e.words IS NULL
                FROM numbered AS w JOIN vector AS v USING (n)
                JOIN {companion} AS e ON ARRAY[{key}] = w.key AND e.chunk = w.chunk
                WHERE e.embedding IS NULL OR e.words IS NULL OR e.embedding::vector <=> v.embedding > {limit}
            """).format(
                wanted=expected(index),
                model=sql.Literal(index.model),
                companion=sql.SQL(index.companion),
                key=key,
                limit=sql.Literal(SAME_VECTOR),
            )
        ).fetchall()
    return Difference(extra, missing, untrue)


def differences(db: psycopg.Connection, vectors: bool = True) -> dict[str, Difference]:
    """Each index of the database that is not true to its table."""
    found = {f"{i.source} → {i.companion}": difference(db, i, vectors) for i in indexes(db)}
    return {name: different for name, different in found.items() if different}


def settle(db: psycopg.Connection) -> None:
    """Do all the work that waits, and refresh what nobody keeps."""
    if value(db, "SELECT to_regproc('llm_work') IS NOT NULL"):
        db.execute("CALL llm_work()")
    for index in indexes(db):
        if index.sync == "manual":
            db.execute("CALL semantic_refresh(%s::oid::regclass, %s)", (index.source_oid, index.name))


def missing(db: psycopg.Connection, table: str = "note", name: str | None = None) -> int:
    """How many chunks of the texts of today are not there, in the only index of a table or the one of that name."""
    return len(_of_table(db, table, name, vectors=False).missing)


def surplus(db: psycopg.Connection, table: str = "note", name: str | None = None) -> int:
    """How many chunks are there that are not of a text of today."""
    return len(_of_table(db, table, name, vectors=False).extra)


def untrue(db: psycopg.Connection, table: str = "note", name: str | None = None) -> int:
    """How many chunks have a vector that is not that of their text."""
    return len(_of_table(db, table, name, vectors=True).untrue)


def _of_table(db: psycopg.Connection, table: str, name: str | None, vectors: bool) -> Difference:
    (index,) = [index for index in indexes(db, table) if name in (None, index.name)]
    return difference(db, index, vectors)
