"""Propose candidate queries: from taught questions, from the grammar, and from a generation model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.ask import name_embeddings, prompt, taught_examples
from pg_llm.ask.context import Context
from pg_llm.ask.grammar import synthesis
from pg_llm.ask.mention import LinkedQuestion
from pg_llm.ask.taught_examples import Example
from pg_llm.database.models import Model
from pg_llm.database.sandbox import ValidatedQuery
from pg_llm.database.select import Result

# Scores of taught SQL, unchanged and adapted, and of generated SQL.
_SAME_SCORE, _ADAPTED_SCORE, _GENERATED_SCORE = 0.99, 0.9, 0.45
_TEMPERATURES = (0.0, 0.6)
_MOST_TOKENS = 160


@dataclass(slots=True)
class Candidate:
    """A candidate query, its score from 0 to 1 before it is run, and what running it gave."""

    sql: str
    score: float
    source: str
    validated: ValidatedQuery | None = None
    result: Result | None = None
    failure: str = ""

    def fingerprint(self) -> str | None:
        """A key that is equal for equal results, whatever the order of rows."""
        if self.result is None:
            return None
        return json.dumps(sorted(json.dumps(row, sort_keys=True, default=str) for row in self.result.rows))


@dataclass(frozen=True, slots=True)
class Proposal:
    """The candidates, the linked question, and the reasons why interpretations of it have no query."""

    candidates: Sequence[Candidate]
    linked: LinkedQuestion
    reasons: Sequence[str]


def propose(context: Context, writer: Model | None) -> Proposal:
    """Candidates from every source; `writer` is a generation model."""
    similar = name_embeddings.NameEmbeddings(context.schema, context.embedder)
    queries, reasons, linked = synthesis.candidates(context.question, context.schema, context.values, similar)
    taught = (_taught_candidate(context.question, example) for example in context.examples)
    proposed = [candidate for candidate in taught if candidate is not None]
    proposed += [Candidate(query.sql, query.score, "grammar") for query in queries]
    if writer is not None:
        proposed += _generated_candidates(context, writer)
    return Proposal(proposed, linked, reasons)


def _taught_candidate(question: str, example: Example) -> Candidate | None:
    text = " ".join(question.split())
    if example.similarity == 1 or text.lower() == example.question.lower():
        return Candidate(example.sql, _SAME_SCORE, "taught")
    adapted = taught_examples.adapt_sql(text, example.question, example.sql)
    return None if adapted is None else Candidate(adapted, _ADAPTED_SCORE, "taught")


def _generated_candidates(context: Context, writer: Model) -> list[Candidate]:
    """SQL that a generation model writes, at several temperatures."""
    examples = [(example.question, example.sql) for example in context.examples]
    text = prompt.build_prompt(context.question, context.schema, context.values, examples)
    names = [name for table in context.schema.tables for name in (table.sql, *(column.sql for column in table.columns))]
    options = {"max_tokens": _MOST_TOKENS, "temperatures": _TEMPERATURES, "names": names}
    written = map(prompt.first_statement, json.loads(writer.run("sql_writing", [text], **options)[0]))
    scored = ((sql, _GENERATED_SCORE - 0.02 * number) for number, sql in enumerate(written))
    return [Candidate(sql, score, "model") for sql, score in scored if sql is not None]
