"""A question for an effect has no answer, but a pointer; unless somebody taught what answers it."""

from __future__ import annotations

import psycopg
import pytest
from database import value
from psycopg import errors

QUESTION = "Did the discount raise the amount of orders?"
SQL = "SELECT discount, avg(amount) FROM orders GROUP BY discount"


@pytest.fixture
def orders(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("CREATE TABLE orders (order_id int PRIMARY KEY, discount boolean, amount numeric)")
    db.execute("INSERT INTO orders SELECT n, n % 2 = 0, n FROM generate_series(1, 20) AS n")
    return db


def test_a_question_for_an_effect_points_to_llm_effect(orders: psycopg.Connection) -> None:
    answer, rows, sql, reason = orders.execute("SELECT answer, rows, sql, reason FROM ask(%s)", (QUESTION,)).fetchone()
    assert (answer, rows, sql) == (None, None, None)
    assert "llm_effect()" in reason
    with pytest.raises(errors.NoDataFound):
        orders.execute("SELECT * FROM ask_rows(%s)", (QUESTION,))


def test_what_was_taught_is_answered(orders: psycopg.Connection) -> None:
    orders.execute("SELECT llm_teach(%s, %s)", (QUESTION, SQL))
    assert value(orders, "SELECT sql FROM ask(%s)", QUESTION) == SQL.replace("orders", "public.orders")
