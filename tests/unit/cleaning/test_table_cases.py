"""Kinds of tables as people have them, each in several wordings: what must be found, and what must stay."""

from __future__ import annotations

import random

import pytest
from pg_llm.cleaning.host.detectors import ensemble
from pg_llm.cleaning.host.spelling import find_suspects
from pg_llm.cleaning.host.table import Column, Table, Value, encode


def table(**columns: list[Value]) -> Table:
    return Table([Column(name, *encode(values)) for name, values in columns.items()])


def proposed(of: Table, least: float = 0.5) -> dict[tuple[int, str], Value]:
    return {
        (int(row), of.columns[each.column].name): each.new
        for each in ensemble.detect(of)
        if each.confidence is not None and each.confidence >= least
        for row in each.rows
    }


@pytest.mark.parametrize("often", [20, 50])
@pytest.mark.parametrize("zero", ["0", "0.00", "none"])
@pytest.mark.parametrize("is_sum", [True, False])
def test_amounts_that_are_nearly_always_zero_stay(often: int, zero: str, is_sum: bool) -> None:
    chance = random.Random(often)
    one = [str(10 * n) if n % often == 0 else zero for n in range(1, 1001)]
    other = [str(3 * n) if n % (5 * often) == 7 else zero for n in range(1, 1001)]
    numbers = [[0 if value == zero else int(value) for value in column] for column in (one, other)]
    total = [a + b if is_sum else chance.randint(1, 9) for a, b in zip(*numbers, strict=True)]
    assert proposed(table(repair=one, other=other, total=[str(each) if each else zero for each in total])) == {}


@pytest.mark.parametrize(
    "word",
    ["N/A", "#REF!", "#WERT!", "#DIV/0!", "k.A.", "(leer)", "keine Angabe", "(blank)", "not available", "s/d", "未知"],
)
@pytest.mark.parametrize("kind", ["numbers", "towns", "days"])
def test_words_for_no_value_are_found_however_many_there_are(word: str, kind: str) -> None:
    makers = {
        "numbers": lambda n: f"{n % 90}.{n % 10}",
        "towns": lambda n: ("Oslo", "Hamar", "Bergen")[n % 3],
        "days": lambda n: f"2021-03-{1 + n % 28:02}",
    }
    values = [word if n % 5 < 2 else makers[kind](n) for n in range(500)]
    found = proposed(table(value=[*values]))
    assert found == {(row, "value"): None for row, value in enumerate(values) if value == word}


@pytest.mark.parametrize("word", ["unrated", "x", "see notes", "0"])
def test_marks_teach_that_a_word_means_no_value(word: str) -> None:
    values: list[Value] = [word if n % 5 < 2 else f"{10 + n % 90}.{n % 10}" for n in range(500)]
    of = table(value=values)
    rows = [row for row, value in enumerate(values) if value == word]
    # One of them says nothing of the others, ten do.
    of.marks = {(rows[0], 0): None}
    assert proposed(of) == {(rows[0], "value"): None}
    of.marks = {(row, 0): None for row in rows[:10]}
    assert proposed(of) == {(row, "value"): None for row in rows}


@pytest.mark.parametrize(
    ("value", "truth", "others"),
    [
        ("10", "10.50", ["10", "11", "12", "13", "14", "15", "16"]),
        ("Atlantic Highlands NJ", "Atlantic Highlands", ["New York City", "South San Francisco", "Boston"]),
        ("Mr Lee", "Lee", ["Mr Bean", "Mr T", "Ann Lee"]),
        ("A-1", "A1", ["A-2", "B-7", "C-3"]),
        ("red", "crimson", ["red", "blue", "green"]),
    ],
)
def test_one_mark_changes_one_cell(value: str, truth: str, others: list[str]) -> None:
    of = table(value=[value, *others * 14])
    of.marks = {(0, 0): truth}
    assert proposed(of) == {(0, "value"): truth}


def test_sentences_with_misspelt_words() -> None:
    # Of these a model decides; what begins with a capital may be a name.
    for word in ("definately", "seperate", "occured", "goverment", "recomend", "resturant"):
        (suspect,) = find_suspects(f"I think that it was {word} by all of them.")
        assert suspect[2]
    for text in ("We met on Tuseday in the office.", "Tommorow Land is the name of the park.", "Teh is a kind of tea."):
        assert find_suspects(text) == []
