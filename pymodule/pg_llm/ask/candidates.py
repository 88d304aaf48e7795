"""The second stage: propose candidate queries by taught questions and by the grammar."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pg_llm.ask import taught_examples
from pg_llm.ask.context import Context
from pg_llm.ask.grammar import synthesis
from pg_llm.ask.grammar.synthesis import Interpretation
from pg_llm.ask.mention import LinkedQuestion
from pg_llm.ask.taught_examples import Example
from pg_llm.ask.writer import Conversation
from pg_llm.database.sandbox import ValidatedQuery
from pg_llm.database.select import Result

# Scores of taught SQL, unchanged and adapted.
_SAME_SCORE, _ADAPTED_SCORE = 0.99, 0.9
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)T00:00:00(?:[+-]00:00)?")


@dataclass(slots=True)
class Candidate:
    """A candidate query, and what running it gave.

    `source` is taught, grammar or model. `score`, from 0 to 1, is how well a query of the first two fits; one that a
    model wrote has the `votes` of as many samples, and the `conversation` that it came of, and is `repaired` where its
    columns were put right; one of the grammar has its `interpretation`.
    """

    sql: str
    source: str
    score: float = 0.0
    votes: int = 0
    conversation: Conversation = field(default_factory=list)
    repaired: bool = False
    validated: ValidatedQuery | None = None
    result: Result | None = None
    failure: str = ""
    interpretation: Interpretation | None = None

    def fingerprint(self) -> str | None:
        """A key that is equal for equal results, whatever the order of rows and columns."""
        if self.result is None:
            return None
        return json.dumps(sorted(sorted(map(comparable, row)) for row in self.result.rows))


@dataclass(frozen=True, slots=True)
class Proposal:
    """The candidates, the question as the grammar read it, and why readings have no query.

    `before` is the question that a follow-up is about as well, where it is no whole one itself.
    """

    candidates: Sequence[Candidate]
    linked: LinkedQuestion
    reasons: Sequence[str] = ()
    before: str = ""


def propose(context: Context) -> Proposal:
    """The queries of taught questions and of the grammar.

    A choice between readings is a taught query; a follow-up that is no whole question is left to a model.
    """
    if context.chosen is not None:
        chosen = Interpretation(context.chosen, _SAME_SCORE, (), ("the reading that was chosen",))
        return Proposal([Candidate(chosen.sql, "taught", _SAME_SCORE, interpretation=chosen)], context.linked)
    reasons: Sequence[str] = ("it is no whole question: say it with the question before in one",)
    proposed: list[Candidate] = []
    if context.before is None:
        reading = synthesis.interpret(context.linked, context.schema)
        reasons = reading.reasons
        taught = (_taught_candidate(context.question, example) for example in context.examples)
        proposed = [candidate for candidate in taught if candidate is not None]
        proposed += [Candidate(one.sql, "grammar", one.score, interpretation=one) for one in reading.interpretations]
    before = "" if context.before is None else context.before.question
    return Proposal(proposed, context.linked, reasons, before)


def _taught_candidate(question: str, example: Example) -> Candidate | None:
    text = " ".join(question.split())
    if example.similarity == 1 or text.lower() == example.question.lower():
        return Candidate(example.sql, "taught", _SAME_SCORE)
    adapted = taught_examples.adapt_sql(text, example.question, example.sql)
    return None if adapted is None else Candidate(adapted, "taught", _ADAPTED_SCORE)


def comparable(value: Any) -> str:
    """A value as text, equal for numbers that differ by rounding in the last digits, and for a day and its midnight."""
    if isinstance(value, float | Decimal):
        return f"{float(value):.10g}"
    return _MIDNIGHT.sub(r"\1", json.dumps(value, sort_keys=True, default=str))
