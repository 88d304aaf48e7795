"""The ten forms of questions, each in several wordings of two languages."""

from __future__ import annotations

import pytest
import shop_questions as shop
from pg_llm.ask.schema import Metric
from shop_questions import FORMS, IN_2025


@pytest.mark.parametrize(
    ("question", "sql"),
    [(question, sql) for form in FORMS.values() for sql, questions in form.items() for question in questions],
)
def test_a_form_is_read_in_several_wordings(question: str, sql: str) -> None:
    assert shop.sql(question) == sql


@pytest.mark.parametrize(
    "question",
    [
        "What is the churn rate?",
        "How many purple orders are there?",
        "Which orders were shipped late?",
        "revenue by category",
        "What is the second highest price?",
        "Order growth month over month",
        "When did Ada complain?",
        "And in Bonn?",
        "Show the top products",
        "average order",
        "Delete all orders",
        "",
        "?",
        "的",
    ],
)
def test_what_is_not_accounted_for_is_not_read(question: str) -> None:
    assert shop.sql(question) is None


def test_a_metric_means_one_thing_in_every_form() -> None:
    market = shop.schema()
    market.metrics = [Metric("revenue", ("revenue", "turnover"), 2, "sum(orders.total_amount)", ((2, 5),))]
    read = {question: shop.read(question, market)[0].sql for question in ("revenue in 2025", "Turnover by channel")}
    assert read == {
        "revenue in 2025": f"SELECT sum(orders.total_amount) FROM orders WHERE {IN_2025}",
        "Turnover by channel": "SELECT channel, sum(orders.total_amount) FROM orders GROUP BY channel",
    }


def test_readings_say_what_each_phrase_became() -> None:
    best = shop.read("How many orders were returned last month?")[0]
    assert ("returned", "orders.status = 'returned'") in best.readings
    assert ("most expensive", "products.price") in shop.read("What is the most expensive product?")[0].readings
    assert list(best.assumptions) == ["last month is 2026-10-01 to 2026-10-31"]
