"""Kinds of damage as spreadsheets do it, each in a column that shows what is right; and what looks so and is right."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from pg_llm.cleaning.host.detectors import ensemble
from pg_llm.cleaning.host.table import Column, Table, encode
from pg_llm.cleaning.host.types.column_errors import column_errors

RANDOM = random.Random(8)
ISO = [f"{RANDOM.randint(2001, 2022)}-{RANDOM.randint(1, 12):02}-{RANDOM.randint(1, 28):02}" for _ in range(200)]
MONTH_FIRST = [
    f"{RANDOM.randint(1, 12):02}/{RANDOM.randint(1, 28):02}/{RANDOM.randint(2001, 2022)}" for _ in range(200)
]
MOMENTS = [f"{day} {RANDOM.randint(0, 23):02}:{RANDOM.randint(0, 59):02}:{RANDOM.randint(0, 59):02}" for day in ISO]
TIMES = [f"{RANDOM.randint(7, 19):02}:{RANDOM.randint(0, 59):02}" for _ in range(100)]
WHOLE = [str(RANDOM.randint(1, 3000)) for _ in range(200)]
CENTS = [f"{RANDOM.gauss(0, 500):.2f}" for _ in range(200)]
ZIPS = [f"{RANDOM.randint(600, 99999):05}" for _ in range(300)]
CODES = [f"AB-{RANDOM.randint(1000, 9999)}" for _ in range(100)]
MAILS = [f"p{n}@gmail.com" for n in range(100)]
PAGES = [f"https://p{n}.example.org/" for n in range(60)]
FIRST, LAST = ["Anna", "Bea", "Carl", "Dora", "Emil", "Finn"], ["Berg", "Dahl", "Lund", "Moe", "Vik", "Holm", "Sand"]
PEOPLE = [f"{first} {last}" for first in FIRST for last in LAST]
TOWNS = ["Oslo", "Bergen", "Bodø", "Tromsø", "New York", "Hamar", "Ålesund"] * 30
RATES = ["19 %", "7 %", "5 %"] * 30


@pytest.mark.parametrize(
    ("column", "wrong", "right"),
    [
        (ISO, "25.03.2021", "2021-03-25"),
        (ISO, "2021-3-5", "2021-03-05"),
        (ISO, "5. März 2021", "2021-03-05"),
        (ISO, "44197", "2021-01-01"),
        (ISO, "2021-03-05 00:00:00", "2021-03-05"),
        (MONTH_FIRST, "3/5/2021", "03/05/2021"),
        (MONTH_FIRST, "25/03/2021", "03/25/2021"),
        (MONTH_FIRST, "2021-03-05", "03/05/2021"),
        (MOMENTS, "25.03.2021 14:05:09", "2021-03-25 14:05:09"),
        (MOMENTS, "Mar 25, 2021 02:05:09 PM", "2021-03-25 14:05:09"),
        (TIMES, "3:05 PM", "15:05"),
        (TIMES, "15.05", "15:05"),
        (TIMES, "15h05", "15:05"),
        (WHOLE, "195.0", "195"),
        (WHOLE, "1O5", "105"),
        (WHOLE, "20S", "205"),
        (WHOLE, "\uff11\uff12", "12"),
        (CENTS, "12. 50", "12.50"),
        (CENTS, "(12.50)", "-12.50"),
        (CENTS, "12.50-", "-12.50"),
        (CENTS, "12.5000000000000003", "12.50"),
        (ZIPS, "12345.0", "12345"),
        (ZIPS, "1234", "01234"),
        (CODES, "ab1234", "AB-1234"),
        (CODES, "AB-12O4", "AB-1204"),
        (MAILS, "x at gmail.com", "x@gmail.com"),
        (MAILS, "x@gmaul.com", "x@gmail.com"),
        (MAILS, "X@GMAIL.COM", "x@gmail.com"),
        (PAGES, "htps://a.example.org", "https://a.example.org"),
        (PAGES, "https//a.example.org", "https://a.example.org"),
        (PAGES, "a.example.org", "https://a.example.org"),
        (PEOPLE, "Dahl, Bea", "Bea Dahl"),
        (PEOPLE, "ANNA BERG", "Anna Berg"),
        (PEOPLE, "anna holm", "Anna Holm"),
        (PEOPLE, "Anna Moe*", "Anna Moe"),
        (PEOPLE, '"Anna Moe"', "Anna Moe"),
        (PEOPLE, "Anna\nMoe", "Anna Moe"),
        (PEOPLE, "Ann\u0430 Moe", "Anna Moe"),
        (PEOPLE, "Mr. Finn Vik", "Finn Vik"),
        (RATES, "7", "7 %"),
        (["yes", "no"] * 30, "Y", "yes"),
        (["yes", "no"] * 30, "falsch", "no"),
    ],
)
def test_damage_is_repaired(column: list[str], wrong: str, right: str) -> None:
    found = {each.old: each.new for each in column_errors(Counter([*column, wrong])) if not each.suspect}
    assert found == {wrong: right}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Tromso", "Tromsø"),
        ("New_York", "New York"),
        ("NewYork", "New York"),
        ("New\u00a0York", "New York"),
        ("Aalesund", "Ålesund"),
        ("Ber\u200bgen", "Bergen"),
        ("Bod\u00bf", "Bodø"),
    ],
)
def test_variants_of_a_frequent_value_become_it(wrong: str, right: str) -> None:
    findings = ensemble.detect(Table([Column("town", *encode([*TOWNS, wrong]))]))
    assert [(each.rows.tolist(), each.new) for each in findings] == [([len(TOWNS)], right)]


@pytest.mark.parametrize(
    ("column", "odd"),
    [
        (MONTH_FIRST, "05.03.2021"),
        (CENTS, "1.2E+02"),
        (ZIPS, "SW1A 1AA"),
        (MAILS, "x@ymail.com"),
        (MAILS, "x@email.com"),
        (PEOPLE, "Dr. Eva Null"),
        (PEOPLE, "Dahl & Sons Ltd."),
        (PAGES, "http://a.example.org/"),
        (WHOLE, "-1"),
        (["12 kg", "13 kg", "15 kg"] * 20, "4 l"),
        (["12 kg", "13 kg", "15 kg"] * 20, "4000"),
    ],
)
def test_what_may_be_right_stays(column: list[str], odd: str) -> None:
    assert [each for each in column_errors(Counter([*column, odd])) if not each.suspect] == []


def test_phone_numbers_keep_the_groups_of_their_area_code() -> None:
    munich = [f"+49 89 {n}" for n in range(1234567, 1234647)]
    others = [f"+49 711 {n}" for n in range(654321, 654341)] + [f"+49 6221 {n}" for n in range(54321, 54331)]
    found = {
        each.old: each.new for each in column_errors(Counter([*munich, *others, "0049 89 7654321", "0711-654399"]))
    }
    assert found == {"0049 89 7654321": "+49 89 7654321", "0711-654399": "+49 711 654399"}
    # Where all are grouped alike, so is one without groups.
    plan = [f"{n}-555-2671" for n in range(212, 280)]
    assert {each.old: each.new for each in column_errors(Counter([*plan, "4155552671"]))} == {
        "4155552671": "415-555-2671"
    }


def test_an_abbreviation_keeps_its_point() -> None:
    codes = ["PA", "NY", "OH", "TX", "CA", "FL"] * 30
    assert [each for each in column_errors(Counter([*codes, "Penna."])) if each.new == "Penna"] == []


@pytest.mark.parametrize(("spaced", "right"), [("陈\u3000静", "陈静"), ("周\u3000伟强", "周伟强"), ("陈静 ", "陈静")])
def test_names_of_china_have_no_space(spaced: str, right: str) -> None:
    names = ["陈静", "周伟强", "王芳", "李娜", "张敏", "刘洋"] * 10
    findings = ensemble.detect(Table([Column("name", *encode([*names, spaced]))]))
    assert [(each.rows.tolist(), each.new) for each in findings] == [([60], right)]


def test_names_with_and_without_accents_are_two() -> None:
    names = ["Hélène", "André", "Zoé"] * 20 + ["Helene"] * 15 + ["Andre"] * 12
    assert ensemble.detect(Table([Column("given", *encode(names))])) == []


def test_rows_that_repeat_the_names_of_the_columns_are_found() -> None:
    rows = [[str(n), ("Oslo", "Hamar", "Bergen")[n % 3], ("public", "private")[n % 2]] for n in range(60)]
    rows.insert(30, ["No", "City", "care_form"])
    columns = [[row[place] for row in rows] for place in range(3)]
    names = ("no", "city", "care form")
    findings = ensemble.detect(Table([Column(name, *encode(each)) for name, each in zip(names, columns, strict=True)]))
    assert [(each.column, each.rows.tolist(), each.confidence) for each in findings] == [
        (n, [30], None) for n in range(3)
    ]
    # One cell may be called as its column is.
    alone = Table([Column(name, *encode(each[:30])) for name, each in zip(names, columns, strict=True)])
    assert ensemble.detect(alone) == []


def test_a_unit_is_left_out_where_the_size_tells_which() -> None:
    large = [f"{n} kg" for n in range(10, 60)] * 3 + [f"{n}000 g" for n in range(10, 20)]
    found = {each.old: each.new for each in column_errors(Counter([*large, "23", "14000"]))}
    assert found["23"] == "23 kg"
    assert "14000" not in found
    # 110 may be of either.
    mixed = [f"{n} kg" for n in range(1, 300)] + [f"{n} g" for n in range(100, 120)]
    assert "110" not in {each.old for each in column_errors(Counter([*mixed, "110"]))}


def test_two_columns_that_contradict_each_other_are_reported_and_not_repaired() -> None:
    teams = [("A", "Alfa"), ("B", "Beta"), ("C", "Gamma"), ("D", "Delta")] * 25
    codes, names = [[row[place] for row in [*teams, ("A", "Beta")]] for place in (0, 1)]
    findings = ensemble.detect(Table([Column("code", *encode(codes)), Column("name", *encode(names))]))
    found = [(int(row), each.column, each.confidence) for each in findings for row in each.rows]
    assert sorted(found) == [(100, 0, None), (100, 1, None)]


def test_confidences_are_monotonous_and_grow_with_what_is_found_alike() -> None:
    from pg_llm.cleaning.host.detectors.calibration import calibrated

    for detector in ("typo", "variant", "dependency", "unit", "none of them"):
        for alike in (1, 3, 100):
            said = [calibrated(detector, place / 100, alike, 2) for place in range(40, 101)]
            assert said == sorted(said)
            is_law = detector == "dependency"
            assert all(value < 0.95 or is_law for value in said[:55])
        assert calibrated(detector, 0.6, 1) <= calibrated(detector, 0.6, 20)
    assert calibrated("none of them", 0.6, 20) == 0.6
    assert calibrated("typo", 0.39, 1000) == 0.39
    # On a vote an empty cell is not filled by default, whatever the others are.
    assert calibrated("dependency", 0.94, 1000, rows=0) < 0.95 <= calibrated("dependency", 0.94, 1000)
    assert calibrated("typo", 0.6, 1, rows=1) < calibrated("typo", 0.6, 1, rows=60)
