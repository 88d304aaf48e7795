"""The first stage: gather the schema, the values and names that a question mentions, and similar taught questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pg_llm.ask import follow_up, metrics, name_embeddings, sample_rows, schema_reader, taught_examples, value_lookup
from pg_llm.ask.follow_up import Previous
from pg_llm.ask.linking import question as question_linking
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
    """All that candidates are proposed from, a plain value; `rows` are samples by the index of their table.

    `before` is there for a follow-up that is no whole question, `chosen` for one that names a choice by its number;
    `assumptions` say how others were completed.
    """

    question: str
    today: str
    schema: Schema
    linked: LinkedQuestion
    values: Sequence[ValueMatch]
    examples: Sequence[Example]
    rows: Mapping[int, Sequence[Row]]
    before: Previous | None = None
    chosen: str | None = None
    assumptions: Sequence[str] = ()


def gather(
    db: Connection,
    question: str,
    tables: Sequence[int] | None,
    path: Sequence[str],
    row_count: int,
    before: Previous | None = None,
) -> tuple[Context, Scope]:
    """Read the context from the database with the caller's rights; so many sample rows of each table.

    A follow-up is completed by the question before it where it is certain how.
    """
    embedder = models.find(db, None, "embedding")
    asked = question if before is None else f"{before.question} {question}"
    selection = schema_reader.select_tables(db, asked, tables, embedder)
    schema = schema_reader.read_schema(db, selection, path)
    schema.metrics = metrics.read(db, schema)
    assumptions: Sequence[str] = ()
    chosen = None if before is None else follow_up.chosen(question, before)
    if before is not None and chosen is None:
        whole = follow_up.complete(
            question, before.question, lambda text: value_lookup.find_values(text, schema, selection.lookup(db))
        )
        if whole is not None:
            question, before, assumptions = whole, None, (f"the question is: {whole}",)
        elif follow_up.stands_alone(question):
            before, assumptions = None, ("it is a question by itself",)
    elif before is not None:
        question, before = before.question, None
    examples = taught_examples.similar(db, question, embedder)
    values = value_lookup.find_values(question, schema, selection.lookup(db)) if schema.tables or examples else []
    today = db.rows("SELECT to_char(current_date, 'YYYY-MM-DD') AS today")[0]["today"]
    linked = question_linking.link(question, schema, values, today, name_embeddings.NameEmbeddings(schema, embedder))
    rows = sample_rows.read(schema, selection.lookup(db), row_count) if row_count else {}
    gathered = Context(question, today, schema, linked, values, examples, rows, before, chosen, assumptions)
    return gathered, Scope(tables, path, selection)
