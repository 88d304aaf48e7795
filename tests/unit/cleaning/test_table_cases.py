"""Kinds of tables as people have them, each in several wordings: what must be found, and what must stay."""

from __future__ import annotations

import random

import pytest
from pg_llm.cleaning.host import profile
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


def test_words_for_no_value_count_as_missing() -> None:
    state: list[Value] = ["N/A" if n % 20 == 3 and n < 120 else ("public", "private")[n % 2] for n in range(200)]
    city: list[Value] = [("Oslo", "Hamar", "Bergen", "Molde", "Bodø")[n % 5] for n in range(200)]
    city[5] = city[35] = city[65] = "unknown"
    city[150], city[170], city[180] = "n/a", "-", None
    of = table(state=state, city=city)
    assert [column["missing"] for column in profile.of_table(of)] == [6, 6]
    # What is NULL already needs no repair.
    assert set(proposed(of).values()) == {None}
    assert len(proposed(of)) == 11


@pytest.mark.parametrize("many", [3, 10])
def test_mixed_writings_become_the_most_frequent_one(many: int) -> None:
    chance = random.Random(many)
    price = [f"{chance.randrange(10, 60)}.{chance.randrange(100):02}" for _ in range(200)]
    weight = [f"{chance.randrange(2, 40)} kg" for _ in range(200)]
    phone = [
        f"{chance.randrange(201, 989)}-{chance.randrange(220, 989)}-{chance.randrange(10**4):04}" for _ in range(200)
    ]
    price_wrong, weight_wrong, phone_wrong = price[:], weight[:], phone[:]
    for n in range(many):
        price_wrong[n] = f"${price[n]}"
        price_wrong[20 + n] = price[20 + n].replace(".", ",")
        weight_wrong[n] = weight[n].replace(" ", "")
        phone_wrong[n] = phone[n].replace("-", ".")
        phone_wrong[20 + n] = phone[20 + n].replace("-", "")
    found = proposed(table(price=[*price_wrong], weight=[*weight_wrong], phone=[*phone_wrong]))
    right = {"price": price, "weight": weight, "phone": phone}
    assert len(found) == 5 * many
    assert all(new == right[column][row] for (row, column), new in found.items())


@pytest.mark.parametrize(
    ("rare", "frequent"),
    [
        ("NA", ["DE", "FR", "ZA", "NO"]),
        ("Null", ["Berg", "Dahl", "Lund", "Moe", "Vik"]),
        ("None", ["Berg", "Dahl", "Lund", "Moe", "Vik"]),
        ("Nan", ["Berg", "Dahl", "Lund", "Moe", "Vik"]),
        ("Austria", ["Australia", "Norway", "Peru"]),
        ("Niger", ["Nigeria", "Norway", "Peru"]),
        ("Slovenia", ["Slovakia", "Norway", "Peru"]),
        ("Dominica", ["Dominican Republic", "Norway", "Peru"]),
    ],
)
@pytest.mark.parametrize("rows", [1, 9])
def test_rare_values_that_look_wrong_stay(rare: str, frequent: list[str], rows: int) -> None:
    values: list[Value] = [frequent[n % len(frequent)] for n in range(400)]
    for n in range(rows):
        values[40 * n] = rare
    assert proposed(table(value=values)) == {}


@pytest.mark.parametrize("misspelt", ["Bergn", "Begren", "Berrgen", "Bergem"])
def test_one_misspelling_of_a_few_equal_values_is_found(misspelt: str) -> None:
    of = table(city=["Bergen"] * 9 + [misspelt] + ["Oslo", "Hamar"] * 5)
    assert proposed(of) == {(9, "city"): "Bergen"}


@pytest.mark.parametrize(
    ("mixed_up", "right"), [("ChloÃ© Vik", "Chloé Vik"), ("BodÃ¸ Nord", "Bodø Nord"), ("JosÃ© Lund", "José Lund")]
)
def test_mixed_up_encodings_are_found_in_tables(mixed_up: str, right: str) -> None:
    assert proposed(table(name=["Ann Berg", "Bo Lund", "Eva Moe"] * 20 + [mixed_up])) == {(60, "name"): right}


@pytest.mark.parametrize("none", ["0000-00-00", "00.00.0000", "1900-01-00"])
def test_days_with_two_readings_stay_and_days_that_are_none_become_null(none: str) -> None:
    days: list[Value] = [f"2021-{n % 12 + 1:02}-{n % 28 + 1:02}" for n in range(200)]
    days[7], days[9] = "02/08/22", none
    assert proposed(table(day=days)) == {(9, "day"): None}


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
