"""A query is doubted as soon as a word of its question has nothing to show for it, and for what nobody asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pg_llm.ask.grammar import synthesis
from pg_llm.ask.grammar.accounting import Account
from pg_llm.ask.grammar.query import Query, SqlWriter
from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Schema, SchemaColumn, SchemaTable

NUMBER, TEXT, DATE = "number", "text", "date"
THRESHOLD = 0.6


def table(name: str, columns: dict[str, str]) -> SchemaTable:
    key = next(iter(columns))
    elements = [
        SchemaColumn(column, column, kind, kind, unique=column == key, nullable=column != key)
        for column, kind in columns.items()
    ]
    return SchemaTable(hash(name), name, name, elements, key=[0])


def shop() -> Schema:
    customer = table("customer", {"customer_id": NUMBER, "name": TEXT, "city": TEXT, "signup_date": DATE})
    orders = table(
        "orders",
        {
            "order_id": NUMBER,
            "customer_id": NUMBER,
            "status": TEXT,
            "ordered_at": DATE,
            "amount": NUMBER,
            "visits": NUMBER,
        },
    )
    return Schema([customer, orders])


VALUES = {"Ulm": (0, 2), "Bonn": (0, 2), "returned": (1, 2), "pending": (1, 2), "paid": (1, 2)}


def best(question: str) -> synthesis.ParsedQuery:
    places = ((text, ref, question.find(text)) for text, ref in VALUES.items())
    values = [ValueMatch(ref, text, start, start + len(text), True) for text, ref, start in places if start >= 0]
    return synthesis.candidates(question, shop(), values)[0][0]


ANSWERED = [
    "How many customers are from Ulm?",
    "How many customers are from Ulm or Bonn?",
    "Which orders have an amount above 50?",
    "How many paid orders have an amount above 50?",
    "How many orders of customers from Bonn are pending?",
    "Which customers from Ulm signed up after 2021?",
    "What is the average amount of paid orders?",
    "Which customers have more than 3 orders?",
    "Which customers from Bonn have no orders?",
    "What is the total amount of paid orders per city?",
]


def shorter(query: Query) -> Iterator[Query]:
    """The query without each of its conditions."""
    for field in ("where", "having"):
        conditions = getattr(query, field)
        for index in range(len(conditions)):
            yield replace(query, **{field: conditions[:index] + conditions[index + 1 :]})


@pytest.mark.parametrize("question", ANSWERED)
def test_without_any_of_its_conditions_a_query_is_not_sure_enough(question: str) -> None:
    parsed = best(question)
    assert parsed.score >= THRESHOLD, parsed.sql
    queries = list(shorter(parsed.query))
    assert queries or "customers?" in question
    for query in queries:
        joins = SqlWriter(shop()).join_edges(query)
        account = Account(shop(), query, joins[0] if joins else ())
        assert account.unaccounted(parsed.linked, parsed.interpretation), (question, query)


@pytest.mark.parametrize(
    "question",
    [
        "How many orders were returned?",
        "How many orders are pending or returned?",
        "Show the orders that were returned",
    ],
)
def test_a_value_that_is_also_a_filler_is_not_passed_over(question: str) -> None:
    parsed = best(question)
    assert "returned" in parsed.sql or parsed.score < THRESHOLD


@pytest.mark.parametrize(
    "question",
    [
        # The date of another table, groups without rows, and a condition on one side of a ratio.
        "How many customers ordered in 2026?",
        "What is the average number of orders per customer?",
        "What is the ratio of customers from Ulm to customers from Bonn with paid orders?",
    ],
)
def test_what_the_words_do_not_say_is_doubted(question: str) -> None:
    assert best(question).score < THRESHOLD, best(question).sql
