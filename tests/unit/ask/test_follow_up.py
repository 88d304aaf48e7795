"""Elliptical questions completed by the question before them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from pg_llm.ask import follow_up
from pg_llm.ask.follow_up import Previous
from pg_llm.ask.mention import ValueMatch
from pg_llm.database.connection import DatabaseError
from pg_llm.errors import InvalidInput, UndefinedQuestion

VALUES = {
    "austria": (0, 1),
    "germany": (0, 1),
    "east germany": (0, 1),
    "pending": (1, 2),
    "returned": (1, 2),
    "北京": (0, 1),
    "上海": (0, 1),
}


def values(text: str) -> Sequence[ValueMatch]:
    found = ((each, match) for each in VALUES for match in re.finditer(each, text.lower()))
    return [ValueMatch(VALUES[each], each, *match.span(), whole=True) for each, match in found]


@pytest.mark.parametrize(
    ("question", "before", "whole"),
    [
        ("And in Austria?", "How many customers are there in Germany?", "How many customers are there in Austria?"),
        ("austria", "customers of East Germany", "customers of austria?"),
        ("And in Austria?", "How many customers are there?", "How many customers are there in Austria?"),
        ("What about returned ones?", "How many pending orders?", "How many returned orders?"),
        ("And in 2025?", "How many orders in 2024?", "How many orders in 2025?"),
        ("2025", "How many orders are there?", "How many orders are there in 2025?"),
        ("last month?", "How many orders are there?", "How many orders are there last month?"),
        ("March 2025", "Orders in 2024", "Orders in March 2025?"),
        ("by month", "Revenue by city in 2024", "Revenue by month in 2024?"),
        ("And per payment method?", "Revenue for March", "Revenue for March per payment method?"),
        ("top 5?", "Top 3 customers by revenue", "top 5 customers by revenue?"),
        ("那上海呢？", "北京有多少客户？", "上海有多少客户?"),
        ("2023年呢", "2024年有多少订单？", "2023年有多少订单?"),
        ("Break it down by month", "Revenue in 2024", "Revenue in 2024 by month?"),
        ("the same for Austria", "Customers of Germany", "Customers of Austria?"),
        ("Only the pending ones", "How many returned orders?", "How many pending orders?"),
        ("and the last quarter?", "Revenue in 2024", "Revenue in last quarter?"),
        ("那上海呢？", "有多少客户？", "上海有多少客户?"),
        ("只看2023年的", "北京有多少客户？", "2023年北京有多少客户?"),
        ("按月呢？", "2023年的销售额是多少？", "按月2023年的销售额是多少?"),
        (
            "How many of them are from Austria?",
            "How many customers are there?",
            "How many customers are there from Austria?",
        ),
        ("其中上海的有多少？", "有多少客户？", "上海有多少客户?"),
        ("How many of them are from Austria?", "Which customers are there?", None),
        # What is not certain.
        ("And the average age?", "How many patients?", None),
        ("Austria", "How many customers are there?", None),
        ("And in Austria?", "Customers of Germany and of Germany", None),
        ("top 5", "How many customers?", None),
        ("in 2025", "Orders in 2023 or 2024", None),
        ("And?", "How many customers?", None),
        ("", "How many customers?", None),
    ],
)
def test_an_ellipsis_is_completed(question: str, before: str, whole: str | None) -> None:
    assert follow_up.complete(question, before, values) == whole


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        ("How many products are there?", True),
        ("What is the average age of patients?", True),
        ("有多少客户？", False),
        ("北京有多少客户？", True),
        ("How many of them are new?", False),
        ("And how many products are there?", False),
        ("What about it?", False),
        ("the average age", False),
        ("其中有多少是新的？", False),
    ],
)
def test_a_whole_question_refers_to_nothing_before(question: str, alone: bool) -> None:
    assert follow_up.stands_alone(question) is alone


def test_a_number_chooses() -> None:
    before = Previous("Who?", None, ("SELECT 1", "SELECT 2"))
    assert [follow_up.chosen(text, before) for text in ("1", " 2. ", "3", "0", "1 2", "one")] == [
        "SELECT 1",
        "SELECT 2",
        None,
        None,
        None,
        None,
    ]


def test_the_question_before_is_the_callers_own(library: Any) -> None:
    library.answer("FROM llm.ask_log WHERE id", [{"question": "Who?", "sql": None, "clarify": '[{"sql": "A"}, 1]'}])
    assert follow_up.previous(library, "42") == Previous("Who?", None, ["A"])
    library.answer("FROM llm.ask_log WHERE id")
    with pytest.raises(UndefinedQuestion, match="no question 42 in your"):
        follow_up.previous(library, "42")
    library.fail("FROM llm.ask_log WHERE id", DatabaseError("no uuid", "22P02"))
    with pytest.raises(InvalidInput, match="id of a question"):
        follow_up.previous(library, "x")
