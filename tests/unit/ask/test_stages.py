"""The second stage from a file: what was gathered is a plain value, and proposing needs nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from pg_llm.ask import candidates
from pg_llm.ask.candidates import Candidate
from pg_llm.ask.context import Context
from pg_llm.ask.linking import question as question_linking
from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Schema, SchemaColumn, SchemaTable
from pg_llm.ask.taught_examples import Example
from pg_llm.database.select import Result


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


def test_every_proposer_proposes() -> None:
    proposal = candidates.propose(gathered())
    by_source: dict[str, list[Any]] = {}
    for candidate in proposal.candidates:
        by_source.setdefault(candidate.source, []).append(candidate)
    assert "WHERE customer.city = 'Ulm'" in by_source["grammar"][0].sql
    # Two literals of the taught SQL may be meant, so that it is not adapted.
    assert "taught" not in by_source


def test_proposing_changes_nothing_that_was_gathered() -> None:
    context = gathered()
    first, second = (candidates.propose(context) for _ in range(2))
    assert [each.sql for each in first.candidates] == [each.sql for each in second.candidates]
    assert [mention.refs for mention in context.linked.mentions] == [
        mention.refs for mention in gathered().linked.mentions
    ]


def test_equal_numbers_have_one_fingerprint_whatever_their_type() -> None:
    results = [[[Decimal("1.500")], [Decimal("2.000000")]], [[2], [1.5]], [[2.0], [Decimal("1.5")]]]
    prints = {Candidate("", "model", result=Result([("a", "numeric")], rows, False)).fingerprint() for rows in results}
    assert len(prints) == 1
