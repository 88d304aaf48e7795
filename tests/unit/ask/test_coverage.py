"""Whether a query reads the values and the rows that its question names."""

from __future__ import annotations

import pytest
import shop_questions as shop
from pg_llm.ask import coverage


@pytest.mark.parametrize(
    ("question", "sql", "unread"),
    [
        ("Which customers are from Bonn?", "SELECT name FROM customers WHERE city = 'Bonn'", []),
        ("Which customers are from Bonn?", "SELECT name FROM customers WHERE city = 'BN'", []),
        ("Which customers are from Bonn?", "SELECT name, city FROM customers", ["Bonn"]),
        ("Customers from Bonn and Ulm", "SELECT city, name FROM customers WHERE city = 'Ulm'", ["Bonn"]),
        ("Compare Bonn and Ulm customers", "SELECT city, count(*) FROM customers GROUP BY city", []),
        ('Which customers are from "Bonn"?', "SELECT city, count(*) FROM customers GROUP BY city", ["Bonn"]),
        ("Which customers have orders?", "SELECT DISTINCT customer_id FROM orders", []),
        ("Which customers have orders?", "SELECT order_id FROM orders", ["customers"]),
        ("Customers without orders", "SELECT name FROM customers WHERE email IS NULL", []),
    ],
)
def test_what_a_query_does_not_read(question: str, sql: str, unread: list[str]) -> None:
    market = shop.schema()
    assert coverage.unread_words(shop.linked(question, market), market, sql) == unread
