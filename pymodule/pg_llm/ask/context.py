"""The context of a question: schema, values that it names, and similar taught questions with their SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.ask import schema_reader, taught_examples, value_lookup
from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Schema
from pg_llm.ask.schema_reader import TableSelection
from pg_llm.ask.taught_examples import Example
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that candidates are proposed from; `tables` and `path` are the caller's choice and search path."""

    question: str
    tables: Sequence[int] | None
    path: Sequence[str]
    selection: TableSelection
    schema: Schema
    values: Sequence[ValueMatch]
    examples: Sequence[Example]
    embedder: Model


def gather(db: Connection, question: str, tables: Sequence[int] | None, path: Sequence[str]) -> Context:
    """Read the context from the database, with the caller's rights."""
    embedder = models.find(db, None, "embedding")
    selection = schema_reader.select_tables(db, question, tables, embedder)
    schema = schema_reader.read_schema(db, selection, path)
    examples = taught_examples.similar(db, question, embedder)
    values = value_lookup.find_values(question, schema, selection.lookup(db)) if schema.tables or examples else []
    return Context(question, tables, path, selection, schema, values, examples, embedder)
