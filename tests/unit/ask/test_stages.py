"""The second stage from a file: what was gathered is a plain value, and proposing needs nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pg_llm.ask import candidates
from pg_llm.ask.candidates import Candidate
from pg_llm.ask.context import Context
from pg_llm.ask.linking import question as question_linking
from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.reliability import Reliability
from pg_llm.ask.schema import Schema, SchemaColumn, SchemaTable
from pg_llm.ask.taught_examples import Example
from pg_llm.ask.writer import Conversation, Writer
from pg_llm.database.select import Result
from pg_llm.errors import EndpointFailed


def gathered() -> Context:
    saved: dict[str, Any] = json.loads(Path(__file__).with_name("shop.json").read_text(encoding="utf-8"))
    question = saved["question"]
    tables = [
        SchemaTable(
            number, name, name, [SchemaColumn(column, column, kind, kind) for column, kind in columns.items()], key=[0]
        )
        for number, (name, columns) in enumerate(saved["tables"].items())
    ]
    starts = [(each, question.index(each["value"])) for each in saved["values"]]
    values = [
        ValueMatch(tuple(each["ref"]), each["value"], start, start + len(each["value"]), True) for each, start in starts
    ]
    schema = Schema(tables)
    examples = [Example(**example) for example in saved["examples"]]
    rows = {int(table): rows for table, rows in saved["rows"].items()}
    linked = question_linking.link(question, schema, values, saved["today"])
    return Context(question, saved["today"], schema, linked, values, examples, rows)


class Scripted(Writer):
    """A writer without a model."""

    def write(self, conversation: Conversation, samples: range) -> list[str]:
        if self.samples == 1:
            raise EndpointFailed("gone")
        return [["SELECT 1", "SELECT 2", "SELECT 1"][number] for number in samples]


def writer(samples: int) -> Writer:
    return Scripted(cast(Any, SimpleNamespace(name="m")), samples, Reliability())


def test_every_proposer_proposes() -> None:
    proposal = candidates.propose(gathered(), writer(3), 1)
    by_source: dict[str, list[Any]] = {}
    for candidate in proposal.candidates:
        by_source.setdefault(candidate.source, []).append(candidate)
    assert "WHERE customer.city = 'Ulm'" in by_source["grammar"][0].sql
    # Two literals of the taught SQL may be meant, so that it is not adapted.
    assert "taught" not in by_source
    assert [(each.sql, each.votes) for each in by_source["model"]] == [("SELECT 1", 2), ("SELECT 2", 1)]
    assert (proposal.note, proposal.samples) == ("", 3)


def test_where_the_grammar_is_sure_a_model_is_asked_once() -> None:
    proposal = candidates.propose(gathered(), writer(3), 0.6)
    assert [(each.sql, each.votes) for each in proposal.candidates if each.source == "model"] == [("SELECT 1", 1)]
    assert proposal.samples == 1


def test_proposing_changes_nothing_that_was_gathered() -> None:
    context = gathered()
    first, second = (candidates.propose(context, None, 0.6) for _ in range(2))
    assert [each.sql for each in first.candidates] == [each.sql for each in second.candidates]
    assert [mention.refs for mention in context.linked.mentions] == [
        mention.refs for mention in gathered().linked.mentions
    ]


def test_a_proposer_that_fails_leaves_the_others() -> None:
    proposal = candidates.propose(gathered(), writer(1), 0.6)
    assert [each.source for each in proposal.candidates if each.source != "grammar"] == []
    assert proposal.candidates
    assert proposal.note == 'the model "m" wrote nothing: gone'


def test_equal_numbers_have_one_fingerprint_whatever_their_type() -> None:
    results = [[[Decimal("1.500")], [Decimal("2.000000")]], [[2], [1.5]], [[2.0], [Decimal("1.5")]]]
    prints = {Candidate("", "model", result=Result([("a", "numeric")], rows, False)).fingerprint() for rows in results}
    assert len(prints) == 1
