"""Whether a query does what the question's words ask for, and nothing else."""

from __future__ import annotations

import pytest
from pg_llm.ask import operations
from pg_llm.ask.linking import question as question_linking
from pg_llm.ask.mention import LinkedQuestion
from pg_llm.ask.schema import Schema

COUNT, LIST = "SELECT count(*) FROM t", "SELECT name FROM t"


@pytest.mark.parametrize(
    ("question", "sql", "missing"),
    [
        ("What is the average price?", COUNT, ["average"]),
        ("What is the average price?", "SELECT avg(price) FROM t", []),
        ("What is the average price?", "SELECT average_price FROM t", []),
        ("Which customers have never ordered?", LIST, ["never"]),
        ("Which customers have never ordered?", LIST + " WHERE NOT EXISTS (SELECT 1 FROM o)", []),
        ("Which is the cheapest?", LIST, ["cheapest"]),
        ("Which is the cheapest?", LIST + " ORDER BY price LIMIT 1", []),
        ("with at least four orders", LIST, []),
        ("What share of orders is open?", COUNT, ["share"]),
        ("How many per city?", COUNT, ["per"]),
        ("How many per city?", COUNT + " JOIN city USING (city)", ["per"]),
        ("How many per city?", "SELECT city, (SELECT count(*) FROM t) FROM city", []),
        ("Show the phone number of Ann", LIST, []),
        ("平均价格是多少？", COUNT, ["平均"]),
        ("从来没下过单的客户有哪些？", LIST, ["从来"]),
        ("有多少个客户？", COUNT, []),
    ],
)
def test_operations_that_are_missing(question: str, sql: str, missing: list[str]) -> None:
    assert operations.missing(question, sql) == missing


@pytest.mark.parametrize(
    ("question", "sql", "unasked"),
    [
        ("Which customers are there?", LIST + " WHERE country = 'Canada'", ["'Canada'"]),
        ("Which Canadian customers are there?", LIST + " WHERE country = 'Canada'", []),
        ("Which customers are from the US?", LIST + " WHERE country = 'US'", []),
        ("Which shares of Apple?", LIST + " WHERE symbol = 'AAPL'", []),
        ("Which orders of 2023?", LIST + " WHERE day >= '2023-01-01' AND day < '2024-01-01'", []),
        ("Which orders of 2021?", LIST + " WHERE day >= '2023-01-01'", ["'2023-01-01'"]),
        ("Which orders of last month?", LIST + " WHERE day >= '2023-01-01'", []),
        ("Orders by month", "SELECT to_char(day, 'YYYY-MM'), sum(n) FROM t GROUP BY 1", []),
        ("Which customers are there?", "SELECT avg(age) FROM t", ["avg"]),
        ("Which customers are there?", LIST + " LIMIT 3", ["limit", "limit 3"]),
        ("The two youngest customers", LIST + " ORDER BY age LIMIT 3", ["limit 3"]),
        ("The three youngest customers", LIST + " ORDER BY age LIMIT 3", []),
        ("The youngest customer", LIST + " ORDER BY age LIMIT 1", []),
        ("最年轻的三个客户", LIST + " ORDER BY age LIMIT 3", []),
        ("Which papers are there?", LIST + " WHERE year = 2020", ["2020"]),
        ("Which papers of 2020 are there?", LIST + " WHERE year >= 2020 AND year < 2021", []),
        ("Which papers of last year are there?", LIST + " WHERE year = 2025", []),
        ("Which customers are there?", COUNT, ["count"]),
        ("北京的客户", LIST + " WHERE city = '北京市'", []),
        ("所有客户", LIST + " WHERE city = '上海'", ["'上海'"]),
        ("2025年创建了多少工单？", "SELECT count(*) FROM work_order WHERE year = 2025", []),
        ("没有开过药的挂号有多少？", COUNT, []),
        ("张伟的电话是多少？", "SELECT count(*) FROM owner WHERE name = '张伟'", ["count"]),
    ],
)
def test_what_nobody_asked_for(question: str, sql: str, unasked: list[str]) -> None:
    assert operations.unasked(LinkedQuestion(question, [], [], [], [], False), sql) == unasked


@pytest.mark.parametrize(
    ("question", "sql", "unasked"),
    [
        ("Which guests are gold members?", "SELECT name FROM guest WHERE age > 60 AND tier = 'gold 7'", ["60"]),
        ("Guests of at least 60", "SELECT name FROM guest WHERE age > 59 AND active = 1", []),
        ("Cars under 25 thousand", "SELECT name FROM car WHERE price < 25000", []),
        ("Vendors paid over 15,000", "SELECT name FROM vendor GROUP BY name HAVING sum(paid) > 15000", []),
        ("A share above 20 %", "SELECT name FROM car WHERE share > 0.2", []),
        ("Plays longer than two hours", "SELECT title FROM play WHERE minutes > 120", []),
        ("Orders in March", "SELECT count(*) FROM orders WHERE extract(month FROM ordered) = 3", []),
        ("Orders between 10 and 20", "SELECT * FROM orders WHERE amount BETWEEN 10 AND 30", ["30"]),
        ("Orders that are open", "SELECT * FROM orders WHERE ordered > '2026-01-05' AND made = 2026", []),
    ],
)
def test_numbers_that_nobody_asked_for(question: str, sql: str, unasked: list[str]) -> None:
    numbers = question_linking.link(question, Schema([]), [], "2026-11-30")
    assert list(operations._unasked_bounds(numbers, sql.lower())) == unasked
