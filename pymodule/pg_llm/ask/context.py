"""The first stage: gather the schema, the values and names that a question mentions, and similar taught questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pg_llm.ask import name_embeddings, sample_rows, schema_reader, taught_examples, value_lookup
from pg_llm.ask.grammar import linking
from pg_llm.ask.mention import LinkedQuestion, ValueMatch
from pg_llm.ask.sample_rows import Row
from pg_llm.ask.schema import Schema
from pg_llm.ask.schema_reader import TableSelection
from pg_llm.ask.taught_examples import Example
from pg_llm.database import models
from pg_llm.database.connection import Connection


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question may read: the tables that the caller named, if any, those selected, and the search path."""

    tables: Sequence[int] | None
    path: Sequence[str]
    selection: TableSelection


@dataclass(frozen=True, slots=True)
class Context:
    """All that candidates are proposed from, a plain value; `rows` are samples by the index of their table."""

    question: str
    today: str
    schema: Schema
    linked: LinkedQuestion
    values: Sequence[ValueMatch]
    examples: Sequence[Example]
    rows: Mapping[int, Sequence[Row]]


def gather(
    db: Connection, question: str, tables: Sequence[int] | None, path: Sequence[str], row_count: int
) -> tuple[Context, Scope]:
    """Read the context from the database with the caller's rights; so many sample rows of each table."""
    embedder = models.find(db, None, "embedding")
    selection = schema_reader.select_tables(db, question, tables, embedder)
    schema = schema_reader.read_schema(db, selection, path)
    examples = taught_examples.similar(db, question, embedder)
    values = value_lookup.find_values(question, schema, selection.lookup(db)) if schema.tables or examples else []
    linked = linking.link(question, schema, values, name_embeddings.NameEmbeddings(schema, embedder))
    rows = sample_rows.read(schema, selection.lookup(db), row_count) if row_count else {}
    today = db.rows("SELECT current_date::text AS today")[0]["today"]
    return Context(question, today, schema, linked, values, examples, rows), Scope(tables, path, selection)
