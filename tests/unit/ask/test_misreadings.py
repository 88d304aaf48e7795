"""Words that are easily read as something else: verbs at the end, negated values of related rows, short names."""

from __future__ import annotations

import pytest
import shop_questions as shop
from pg_llm.ask import words
from pg_llm.ask.schema import SchemaColumn


@pytest.mark.parametrize(
    "question",
    [
        "Which products are in use?",
        "Which products are used?",
        "Which customers are served?",
        "Which orders are taken?",
        "Which products are available?",
        "Show available products",
        "How many single orders are there?",
        "Customers on hold",
        "Show the products on offer",
        "Which orders were shipped?",
        "How many products are offered?",
        "Which orders have been issued?",
    ],
)
def test_a_verb_that_a_question_ends_with_is_no_empty_word(question: str) -> None:
    assert not shop.read(question)


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("Which products do we offer?", "SELECT name FROM products"),
        ("How many orders were placed?", "SELECT count(*) FROM orders"),
        (
            "Which customers have never placed a single order?",
            "SELECT name FROM customers WHERE NOT EXISTS (SELECT FROM orders"
            " WHERE orders.customer_id = customers.customer_id)",
        ),
        ("How many customers do we serve?", "SELECT count(*) FROM customers"),
        ("Which customers are located in Ulm?", "SELECT name FROM customers WHERE city = 'Ulm'"),
    ],
)
def test_a_verb_that_only_names_rows_is_one(question: str, sql: str) -> None:
    assert shop.read(question)[0].sql == sql


@pytest.mark.parametrize("negation", ["never ordered", "did not order", "have never ordered"])
def test_what_no_related_row_may_have_is_looked_for_in_all_of_them(negation: str) -> None:
    found = [one.sql for one in shop.read(f"Which customers {negation} Lamp?")]
    assert not [sql for sql in found if "<> 'Lamp'" in sql]


def test_never_is_about_all_related_rows() -> None:
    (read, *_) = shop.read("Which customers were never in category home?")
    assert "NOT EXISTS (SELECT FROM orders JOIN order_items" in read.sql
    assert read.sql.endswith("AND products.category = 'home')")
    assert "<>" not in read.sql


def test_a_negation_beside_another_condition_on_related_rows_is_not_read() -> None:
    for question in ("Which customers were never in category home in 2025?", "customers not in category home with web"):
        assert not [one for one in shop.read(question) if "NOT" in one.sql or "<>" in one.sql]


def test_a_verb_is_no_date_of_rows_that_are_not_named() -> None:
    market = shop.schema()
    market.tables[3].columns.append(SchemaColumn("used_on", "used_on", "date", "date"))
    assert not shop.read("Which products were never used?", market)
    (read, *_) = shop.read("Which products were never used in order items?", market)
    assert "order_items.used_on IS NOT NULL" in read.sql
    market.tables[2].columns.append(SchemaColumn("ordered_at", "ordered_at", "date", "date", nullable=False))
    (read, *_) = shop.read("Which customers have never ordered?", market)
    assert read.sql == (
        "SELECT name FROM customers WHERE NOT EXISTS (SELECT FROM orders"
        " WHERE orders.customer_id = customers.customer_id)"
    )


def test_first_and_last_names_cut_short_name_persons() -> None:
    market = shop.schema()
    market.tables[0].columns[1:3] = [SchemaColumn(name, name, "text", "text") for name in ("fst_nm", "lst_nm")]
    assert shop.read("List all customers", market)[0].sql == "SELECT fst_nm, lst_nm FROM customers"


def test_a_short_form_keeps_most_of_a_word() -> None:
    assert words.word_similarity("employee", "eml") == 0
    assert words.word_similarity("email", "eml") > 0.8
