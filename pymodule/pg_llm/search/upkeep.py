"""Incremental maintenance of a companion table: rows of the source that were written get the chunks of their text.

Everything here runs with the rights of the source's owner, in a security-restricted operation: a writer need not see
the chunks, and the caller runs no code that the owner has attached. The source is read by key, after the statement that
wrote it: what a trigger was told may be overtaken by then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from pg_llm.database import catalog, companion_triggers, models, ownership, table_access
from pg_llm.database.connection import Connection, Row
from pg_llm.database.models import Model
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import ConcurrentChange, InsufficientPrivilege
from pg_llm.search import semantic_index, text_analysis
from pg_llm.search.semantic_index import CHUNK, PLACEHOLDER, Definition, SemanticIndex

_R = TypeVar("_R")
# A chunk between what the model reads before and behind it.
_InContext = tuple[str, str, str]
# Rows of the source whose chunks are made by one call of the model.
BATCH = 256
# Characters of a first column that is a title, and no text of its own.
_LONGEST_TITLE = 200


def process(db: Connection, number: int, keys: str) -> None:
    """Make the chunks of the rows with these keys, a JSON array of objects, true; of all rows for `null`.

    An index that is gone, or has lost a column, needs nothing. Raises ConcurrentChange where others are writing these
    rows just now.
    """
    index = semantic_index.by_id(db, number)
    if index is None:
        return
    ownership.check_owner(db, index.source)
    if keys == "null":
        # Rarely needed, and the other way round is the import of this module.
        from pg_llm.search import backfill

        backfill.fill(db, index)
    elif as_owner(db, index, partial(_process_rows, db, index, keys)):
        raise ConcurrentChange(f"rows of {index.source.relation} are being written")


def _process_rows(db: Connection, index: SemanticIndex, keys: str) -> list[str]:
    ownership.check_sees_all(db, index.source)
    return update_rows(db, index, keys, lock=True)


def follow(db: Connection, trigger: Mapping[str, Any]) -> None:
    """Make the chunks of the rows that a statement wrote true. A trigger that was made by hand is ignored."""
    number = companion_triggers.followed_object(db, trigger, "llm.follow_index()")
    index = semantic_index.by_id(db, number) if number is not None else None
    # One whose column was dropped keeps no writer from writing.
    if index is None or index.definition.sync != "live":
        return
    if not companion_triggers.is_part(db, int(trigger["relid"]), index.target):
        return
    event: str = trigger["event"]
    work = partial(delete_orphans, db, index) if event == "TRUNCATE" else partial(_follow_rows, db, index, event)
    try:
        as_owner(db, index, work)
    except InsufficientPrivilege as error:
        # Whoever owns a part must not keep others from writing; what is stale is not shown.
        db.warning(f'the semantic index "{index.name}" does not follow: {error}', hint=error.hint)


def as_owner(db: Connection, index: SemanticIndex, work: Callable[[], _R]) -> _R:
    """Run `work`, which reads the source, with the rights of its owner and without code of anybody else."""
    return db.run_as(index.owner, lambda: table_access.on_part(db, index.source.oid, work, writes=False))


def update_rows(db: Connection, index: SemanticIndex, keys: str, lock: bool) -> list[str]:
    """Make chunks, vectors and words of the rows with these keys, where they are not those of the text today.

    With `lock` a row is written only while nobody else writes it; the keys of those that others do are returned.
    """
    rows = _stale_rows(db, index, keys)
    if not rows:
        return []
    chunks = _chunks(db, index, [row for row in rows if row["document"]])
    fresh = rows
    busy: list[Row] = []
    if lock and index.source.kind in "rp":
        fresh, busy = _locked(db, index, rows)
    _write(db, index, fresh, chunks)
    return [row["key"] for row in busy]


def delete_orphans(db: Connection, index: SemanticIndex) -> None:
    """Delete the chunks of rows that are no more."""
    if not db.query_unprepared(f"SELECT FROM {index.source.relation} LIMIT 1"):
        db.execute(f"DELETE FROM {index.companion}")
        return
    db.execute(
        f"DELETE FROM {index.companion} AS c"
        f" WHERE NOT EXISTS (SELECT FROM {index.source.relation} AS t WHERE {index.same_row})"
    )


def _follow_rows(db: Connection, index: SemanticIndex, event: str) -> None:
    if event != "INSERT":
        # Not those that are there all the same: moved by another part of the statement, or written again.
        db.query_unprepared(
            f"DELETE FROM {index.companion} AS c USING former AS t WHERE {index.same_row}"
            f" AND NOT EXISTS (SELECT FROM {index.source.relation} AS t WHERE {index.same_row})"
        )
    for keys in companion_triggers.written_keys(db, index.source, event, BATCH):
        update_rows(db, index, keys, lock=False)


def _stale_rows(db: Connection, index: SemanticIndex, keys: str) -> list[Row]:
    """The rows whose chunks are not those of their text: key, number (its place in `keys`), document, context, hash.

    A row that has no text or is no more has none of these but the key.
    """
    return db.rows(
        f"""
        SELECT e.number, e.key::text AS key, t.document, t.context, t.hash
        FROM (
            -- A key that a parent table and a child share comes twice.
            SELECT w.key, min(w.number) AS number
            FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS w (key, number) GROUP BY w.key
        ) AS e LEFT JOIN LATERAL (
            SELECT t.* FROM {index.source.one_key("e.key")}, LATERAL (
                SELECT {index.document} AS document, {index.context_values} AS context,
                       encode({index.text_hash}, 'hex') AS hash
                FROM {index.source.relation} AS t WHERE {index.source.same_key} LIMIT 1
            ) AS t WHERE t.document <> ''
        ) AS t ON true
        LEFT JOIN LATERAL (
            SELECT encode(c.text_hash, 'hex') AS hash FROM {index.source.one_key("e.key")}, LATERAL (
                SELECT c.text_hash FROM {index.companion} AS c WHERE {index.companion_has_key} LIMIT 1
            ) AS c
        ) AS c ON true
        WHERE t.hash IS DISTINCT FROM c.hash ORDER BY e.number
        """,
        ("text",),
        (keys,),
    )


def _chunks(db: Connection, index: SemanticIndex, rows: Sequence[Row]) -> dict[int, list[tuple[Any, ...]]]:
    """By the number of the row: chunk, first character from 1, the one behind its last, vector, text for full text.

    Sentences with vectors of their own follow the chunks, and have no text.
    """
    if not rows:
        return {}
    definition = index.definition
    model = models.find(db, definition.model, "embedding")
    documents = [row["document"] for row in rows]
    options = {
        "chunking": definition.chunking,
        "tokens": definition.chunk_tokens,
        "overlap": definition.chunk_overlap,
    }
    places = [json.loads(ranges) for ranges in model.run("chunking", documents, **options)]
    texts = [
        (row["number"], number, start, end, _in_context(definition, row["context"], number, document[start:end]))
        for row, document, ranges in zip(rows, documents, places, strict=True)
        for number, (start, end) in enumerate(ranges, 1)
    ]
    embedded = _embed(model, definition, [text for *_, text in texts]) if texts else []
    chunks: dict[int, list[tuple[Any, ...]]] = {}
    for (row_number, number, start, end, text), (vector, _) in zip(texts, embedded, strict=True):
        chunk = (number, start + 1, end + 1, vector, text_analysis.document_text("".join(text)))
        chunks.setdefault(row_number, []).append(chunk)
    for (row_number, _, start, _, _), (_, sentences) in zip(texts, embedded, strict=True):
        row_chunks = chunks[row_number]
        for first, last, vector in sentences:
            # Its words are counted with its chunk's.
            row_chunks.append((len(row_chunks) + 1, start + first + 1, start + last + 1, vector, ""))
    return chunks


def _embed(model: Model, definition: Definition, texts: Sequence[_InContext]) -> list[tuple[str, list[Any]]]:
    """The vector of each text, and its sentences with vectors of their own: start and end in the chunk, vector."""
    if definition.sentences == "none":
        return [(vector, []) for vector in model.run("embedding", ["".join(text) for text in texts], role="document")]
    inputs = [json.dumps(text, ensure_ascii=False) for text in texts]
    found = map(json.loads, model.run("chunk_embedding", inputs, sentences=definition.sentences))
    return [(each["embedding"], each["sentences"]) for each in found]


def _in_context(definition: Definition, context: Sequence[str], number: int, chunk: str) -> _InContext:
    """A chunk with what its template puts beside it; without one, later chunks follow the title that the first has."""
    if definition.template is None:
        is_titled = number > 1 and context and 0 < len(context[0]) <= _LONGEST_TITLE
        return (f"{context[0]}: " if is_titled else "", chunk, "")
    values = iter(context)
    before, after = (
        PLACEHOLDER.sub(lambda place: next(values), part) for part in definition.template.split(f"{{{CHUNK}}}")
    )
    return before, chunk, after


def _locked(db: Connection, index: SemanticIndex, rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Of these rows those that are as they were read, locked against writers, and those that are not."""
    keys = (f"[{', '.join(row['key'] for row in rows)}]",)
    found = f"""
        FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS e (key, number)
        CROSS JOIN LATERAL {index.source.one_key("e.key")}
        JOIN {index.source.relation} AS t ON {index.source.same_key}
    """
    hash_ = f"CASE WHEN {index.document} <> '' THEN encode({index.text_hash}, 'hex') END"
    locked = db.rows(f"SELECT e.number, {hash_} AS hash {found} FOR SHARE OF t SKIP LOCKED", ("text",), keys)
    hashes = {row["number"]: row["hash"] for row in locked}
    there = {row["number"] for row in db.rows(f"SELECT e.number {found}", ("text",), keys)}
    fresh: list[Row] = []
    busy: list[Row] = []
    for number, row in enumerate(rows, 1):
        is_same = hashes[number] == row["hash"] if number in hashes else number not in there
        (fresh if is_same else busy).append(row)
    return fresh, busy


def _write(
    db: Connection, index: SemanticIndex, rows: Sequence[Row], chunks: Mapping[int, Sequence[tuple[Any, ...]]]
) -> None:
    """Put these chunks in place of those that the rows had."""
    if not rows:
        return
    keys = f"[{', '.join(row['key'] for row in rows)}]"
    db.rows(
        f"DELETE FROM {index.companion} AS c USING {index.source.keys('$1::jsonb')} WHERE {index.companion_has_key}",
        ("text",),
        (keys,),
    )
    flat = [
        (place, *chunk[:3], row["hash"], *chunk[3:])
        for place, row in enumerate(rows, 1)
        for chunk in chunks.get(row["number"], ())
    ]
    if not flat:
        return
    own = ", ".join(index.keys)
    names = ", ".join(f"k.{quote_ident(name)}" for name in index.source.key)
    types = ", ".join(f"{quote_ident(name)} {type_}" for name, type_ in index.source.key.items())
    schema = catalog.schema_of(db, "vector")
    db.rows(
        f"""
        INSERT INTO {index.companion} ({own}, chunk, start_pos, end_pos, text_hash, embedding, words)
        SELECT {names}, v.chunk, v.start_pos, v.end_pos, decode(v.hash, 'hex'),
               v.embedding::{schema}.{index.definition.storage},
               to_tsvector({index.regconfig}, v.text)
        FROM ROWS FROM (unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8))
             AS v (place, chunk, start_pos, end_pos, hash, embedding, text)
        JOIN ROWS FROM (jsonb_to_recordset($1::jsonb) AS ({types})) WITH ORDINALITY AS k ON k.ordinality = v.place
        ON CONFLICT ({own}, chunk) DO UPDATE SET start_pos = excluded.start_pos, end_pos = excluded.end_pos,
            text_hash = excluded.text_hash, embedding = excluded.embedding, words = excluded.words
        """,
        ("text", "int8[]", "int4[]", "int4[]", "int4[]", "text[]", "text[]", "text[]"),
        (keys, *(list(column) for column in zip(*flat, strict=True))),
    )
