from __future__ import annotations

import pytest
from pg_llm.ask import verbalization


@pytest.mark.parametrize(
    ("question", "columns", "rows", "said"),
    [
        ("How many cats are there?", ["count"], [[3]], "There are 3 cats."),
        ("What is the price of tea?", ["price"], [[2.5]], "The price of tea is 2.5."),
        ("Which cats are black?", ["name"], [["A"], ["B"]], "There are 2: A and B."),
        ("Which cats are black?", ["name"], [], "Nothing in the tables matches."),
        ("Which cats are black?", ["name"], [[None]], "Nothing in the tables matches."),
        ("Who is oldest?", ["name", "age"], [["A", 9]], "name: A, age: 9."),
        ("List cats", ["name", "age"], [["A", 9], ["B", 8]], "A (9); B (8)."),
        ("有多少只猫？", ["count"], [[3]], "有3只猫。"),
        ("猫的名字是什么？", ["name"], [["A"], ["B"]], "猫的名字为A、B。"),
        ("列出猫", ["name"], [], "没有符合条件的数据。"),
    ],
)
def test_results_are_said(question: str, columns: list[str], rows: list[list[object]], said: str) -> None:
    chinese = not question.isascii()
    assert verbalization.verbalize(question, columns, rows, False, chinese) == said


def test_a_number_of_rows_that_was_cut_off_is_said_to_be_larger() -> None:
    rows = [[f"row {n}"] for n in range(20)]
    said = verbalization.verbalize("Which cats are black?", ["name"], rows, True, False)
    assert said.startswith("There are more than 20: row 0, ")
    assert said.endswith(" and at least 10 more.")
    assert "20+" in verbalization.verbalize("哪些猫是黑的？", ["name"], rows, True, True)
