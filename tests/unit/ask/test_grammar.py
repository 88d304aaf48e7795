"""The ten forms of questions, each in several wordings of two languages."""

from __future__ import annotations

import pytest
import shop_questions as shop
from pg_llm.ask.grammar import synthesis
from pg_llm.ask.grammar.clause import Misfit
from pg_llm.ask.grammar.logical_form import Bucket, Column, Condition, Form
from pg_llm.ask.linking import question as question_linking
from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Metric, SchemaColumn
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
        "What is the second most expensive product?",
        "How many orders in 2024 and 2025?",
        "oldest customer",
        "Top 2 customers per channel",
        "Compare orders",
        "Compare products in 2024 and 2025",
        "growth of orders",
        "Who ordered in 2025?",
        "How many phones do we have?",
        "How much do customers pay?",
        "Number of customers and products",
        "Which customer has the most orders, and with which products?",
        "Customers and products with the number of orders",
        "Customers with more than 3 orders, and how many products?",
        "Count of customers with and without e-mail",
        "Which product is the most expensive? Show the number.",
        "average order",
        "Which customers are no longer active? Name and city please, earliest signup date first.",
        "the 5 customers with the most orders",
        "Which customer has the most orders, and how many?",
        "Number of orders per channel, largest channel first",
        "How many orders are there per channel? Highest number first.",
        "Customers and the number of their orders",
        "Average price per category, rounded to 2 decimals",
        "Compare the number of orders in 2024 and 2025",
        "orders 2024 vs 2025",
        "Growth of orders from 2024 to 2025 in percent",
        "top 3 products by price per category",
        "The three most expensive products of each category",
        "Cheapest product by category",
        "Which products have a price below the average?",
        "products with less than the average price",
        "Customers with more than 3 orders and how many they have",
        "What is the average number of orders per customer?",
        "How many orders does a customer have on average?",
        "平均每个客户有多少订单？",
        "Who is Ada?",
        "How many Lamp belong to orders of 2025?",
        "Delete all orders",
        "How many orders of customers; and products are there",
        "What is the city of Ada'); DROP TABLE orders;--?",
        "What is the price of Lamp? Desk.",
        "",
        "?",
        "的",
    ],
)
def test_what_is_not_accounted_for_is_not_read(question: str) -> None:
    assert shop.sql(question) is None


def test_words_before_one_noun_are_two_names() -> None:
    market = shop.schema()
    market.tables[0].columns[1:2] = [
        SchemaColumn(f"{name}_name", f"{name}_name", "text", "text") for name in ("first", "last")
    ]
    for question in ("first and last names of the customers", "Names of the customers"):
        assert shop.read(question, market)[0].sql == "SELECT first_name, last_name FROM customers"


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


def test_rows_of_one_value_are_no_groups() -> None:
    """Absences by excused and unexcused are not those that are not excused, by whether they are."""
    excused, day = Column((0, 2)), Column((0, 1))
    split = Form(0, [excused], [Condition("true", excused, negated=True)], group=[Bucket((0, 1), "month"), excused])
    with pytest.raises(Misfit, match="groups of one value"):
        synthesis.check_fixed(split)
    synthesis.check_fixed(Form(0, [excused], [Condition(">=", day, (1.0,))], group=[excused]))
    synthesis.check_fixed(Form(0, [excused], [Condition("in", excused, ("a", "b"))], group=[excused]))


def test_a_query_that_shows_only_what_the_question_says_is_none() -> None:
    name, price = Column((1, 1)), Column((1, 3))
    with pytest.raises(Misfit, match="only what the question says"):
        synthesis.check_fixed(Form(1, [name], [Condition("in", name, ("Lamp",))]))
    synthesis.check_fixed(Form(1, [name, price], [Condition("in", name, ("Lamp",))]))
    synthesis.check_fixed(Form(1, [name], [Condition("in", name, ("Lamp", "Desk"))]))


def test_a_name_with_its_table_cut_short_names_rows() -> None:
    market = shop.schema()
    market.tables[1].columns[1] = SchemaColumn("prod_name", "prod_name", "text", "text")
    market.tables[0].columns[1] = SchemaColumn("agent_name", "agent_name", "text", "text")
    assert shop.read("List all products", market)[0].sql == "SELECT prod_name FROM products"
    assert shop.read("List all customers", market)[0].sql == "SELECT customer_id FROM customers"


def test_a_unit_is_no_part_of_what_a_column_holds() -> None:
    market = shop.schema()
    market.tables[1].columns.append(SchemaColumn("weight_kg", "weight_kg", "numeric", "number"))
    read = shop.read("average weight per category", market)[0]
    assert read.sql == "SELECT category, avg(weight_kg) AS avg_weight_kg FROM products GROUP BY category"
    assert read.score >= 0.6


def test_a_value_that_holds_the_end_of_a_sentence_is_a_value() -> None:
    market, question = shop.schema(), "What is the city of Ada'); --; Ben? Now."
    start = question.find("Ada")
    values = [ValueMatch((0, 1), "Ada'); --; Ben", start, question.find("?"), True)]
    linked = question_linking.link(question, market, values, shop.TODAY)
    assert synthesis.interpret(linked, market).interpretations == []
