"""Columns: their semantic types, and errors by kind from their distinct values alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from pg_llm.cleaning.host.types.column_errors import column_errors
from pg_llm.cleaning.host.types.inference import infer

RANDOM = random.Random(3)
PRICES = [f"{RANDOM.uniform(1, 99):.2f}" for _ in range(190)]
DAYS = [f"{RANDOM.randint(1, 28):02}/{RANDOM.randint(1, 12):02}/{RANDOM.randint(1990, 2022)}" for _ in range(100)]
WEIGHTS = [f"{RANDOM.randint(1, 99)} kg" for _ in range(100)]
CODES = [f"AB-{RANDOM.randint(1000, 9999)}" for _ in range(60)]
ZIPS = [f"{RANDOM.randint(1, 99999):05}" for _ in range(200)]
EUROS = [f"{n}.{100 + n},50 €" for n in range(1, 60)]


def repairs(values: Iterable[str]) -> dict[str, str | None]:
    return {each.old: each.new for each in column_errors(Counter(values)) if not each.suspect}


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        (PRICES, {"name": "decimal", "decimal_mark": "."}),
        (EUROS, {"name": "money", "decimal_mark": ",", "unit": "EUR"}),
        (WEIGHTS, {"name": "quantity", "unit": "kg"}),
        (["12,5 %", "3 %", "99,1 %"], {"name": "percent", "decimal_mark": ","}),
        (DAYS, {"name": "date", "order": "DMY", "form": "%d/%m/%Y"}),
        (["03/04/2021", "05/06/2020"], {"name": "date", "order": None, "ambiguous": True}),
        (["1.234", "5.678"], {"name": "integer", "ambiguous": True}),
        (["1.234", "56.789", "7", "12", "345"], {"name": "integer", "decimal_mark": ",", "ambiguous": False}),
        (["5 janvier 2021", "6 février 2020"], {"name": "date", "language": "fr"}),
        (["2021-03-05T10:00:00Z", "2021-03-06 11:30"], {"name": "timestamp"}),
        (["7:30", "8:15 p.m."], {"name": "time"}),
        (["+49 30 901820", "+44 20 7946 0958"], {"name": "phone"}),
        (["01 42 68 53 00", "04 91 13 89 00", "06 12 34 56 78"], {"name": "phone", "region": "FR"}),
        (["a@example.com", "b@example.org"], {"name": "email"}),
        (["https://x.org/a", "www.y.org"], {"name": "url"}),
        (["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "FR1420041010050500013M02606"], {"name": "iban"}),
        (["SW1A 2AA", "M1 1AE", "EC1A 1BB"], {"name": "postcode", "region": "GB"}),
        (ZIPS, {"name": "code", "pattern": r"\d{5}"}),
        (CODES, {"name": "code", "pattern": r"[A-Z]{2}\-\d{4}"}),
        (["Deutschland", "France", "UK", "日本"], {"name": "country"}),
        (["NA", "DE", "FR", "ZA"], {"name": "country"}),
        (["NY", "CA", "TX", "OR"], {"name": "state"}),
        (["EUR", "USD", "CHF"], {"name": "currency"}),
        (["en", "de", "fr", "ja"], {"name": "language"}),
        (["yes", "no"], {"name": "boolean"}),
        (["Dr. Anna Lind", "Bob Marley", "Lee, Ann"], {"name": "person"}),
        (["Acme GmbH", "Foo Ltd", "Google"], {"name": "company"}),
        (["12 Main Street", "3 Oak Ave", "7 Park Road"], {"name": "address"}),
        (["red", "blue"] * 30, {"name": "category"}),
        ([f"person {chr(97 + n)}" for n in range(20)], {"name": "name"}),
        (["n/a", "-"], {"name": ""}),
        ([], {"name": ""}),
    ],
)
def test_types_of_columns(values: list[str], fields: dict[str, object]) -> None:
    found = infer(Counter(values))
    assert {name: getattr(found, name) for name in fields} == fields


@pytest.mark.parametrize("values", [PRICES, DAYS, WEIGHTS, CODES, ZIPS, EUROS, ["1.234", "5.678"] * 9])
def test_columns_of_one_writing_have_no_errors(values: list[str]) -> None:
    assert column_errors(Counter(values)) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (PRICES, {"$12.50": "12.50", "12,50": "12.50", "n/a": None, "-": None, "#REF!": None, "k.A.": None}),
        (WEIGHTS, {"15kg": "15 kg", "12000 g": "12 kg", "(leer)": None}),
        (["0.056", "0.25", "1.5"] * 9, {"0.055999999999999994": "0.056", "0.30000000000000004": "0.3"}),
        (["Boston", "Bergen", "New York"] * 9, {'"Boston"': "Boston", "Bergen.": "Bergen", "New_York": "New York"}),
        (EUROS, {"1,234.50 €": "1.234,50 €", "€ 33,10": "33,10 €"}),
        (DAYS, {"3 March 2021": "03/03/2021", "2021-05-06": "06/05/2021", "44197": "01/01/2021", "00/00/0000": None}),
        (
            [f"2021-03-{n:02}" for n in range(1, 30)],
            {"2021-03-05 00:00:00": "2021-03-05", '"2021-04-01"': "2021-04-01"},
        ),
        (PRICES, {"'12.50": "12.50", "1O.5O": "10.50"}),
        (CODES, {"ab1234": "AB-1234", "AB 2222": "AB-2222"}),
        ([*ZIPS, "01234"], {"1234": "01234"}),
        (ZIPS, {}),
        (["yes"] * 20 + ["no"] * 30, {"Y": "yes", "N": "no", "TRUE": "yes"}),
        (["DE", "FR", "US"] * 10, {"Germany": "DE", "Italia": "IT", "k.A.": None}),
        (["NY", "CA", "TX"] * 10, {"California": "CA", "texas": "TX"}),
        ([f"a{n}@example.org" for n in range(60)], {"b(at)x.com": "b@x.com", "b@x,com": "b@x.com"}),
        ([f"(212) 55{n:02}-1{n:03}".replace("(212) 55", "(212) 5") for n in range(60)], {}),
        (["Boston", "Bergen", "New York"] * 60, {"unknown": None, "N/A": None, "null": None}),
        # Rarer than they are it means that there is none.
        (["Meyer", "Schulz", "Vogt", "Kern"] * 60, {"Blank": None}),
    ],
)
def test_errors_by_kind(right: list[str], wrong: dict[str, str | None]) -> None:
    assert repairs([*right, *wrong]) == wrong


@pytest.mark.parametrize(
    ("right", "doubtful"),
    [
        # What may be right, or may be two things, stays.
        (["Smith", "Null", "Nan", "None", "Miller", "Jones"] * 9, ["Null", "None", "Nan"]),
        # A word that recurs as the others do is one of them.
        (["Meyer", "Blank", "Schulz", "Vogt", "Kern"] * 60, []),
        (["married", "single"] * 60 + ["widowed"] * 5 + ["unknown"] * 70, []),
        (["NA", "DE", "FR", "ZA"] * 9, ["NA"]),
        (PRICES, ["1.5M", "1e-05", "12 apples"]),
        (WEIGHTS, ["3"]),
        (["16-015", "12-001", "15-222"] * 9, ["160-15"]),
        (DAYS, ["31/04/2021", "May 2021", "3-5 May 2021"]),
        ([day for day in DAYS if int(day[:2]) <= 12], ["2021-05-06"]),
        (["$1.50", "$2.25", "$3.75"] * 9, ["€ 4.50"]),
        (["12.5", "3.75", "4,5", "6,25"] * 9, ["1,234"]),
        (["Austria", "Australia", "Niger", "Nigeria"] * 9, []),
        (["yes"] * 10 + ["ja"] * 10 + ["no"] * 20, ["ja"]),
    ],
)
def test_doubtful_values_stay(right: list[str], doubtful: list[str]) -> None:
    assert repairs([*right, *doubtful]) == {}


def test_nines_among_numbers_that_are_not_negative() -> None:
    assert repairs([*PRICES, *["-999"] * 5]) == {"-999": None}
    assert repairs([*PRICES, "-3.50", *["-999"] * 5]) == {}


def test_days_that_stand_for_none_are_suspects() -> None:
    (found,) = [each for each in column_errors(Counter([*DAYS, "01/01/1900"])) if each.suspect]
    assert (found.old, found.new, found.kind) == ("01/01/1900", None, "range")


LENGTHS = {str(n): 2 for n in range(20, 90)}


@pytest.mark.parametrize(
    ("name", "odd", "right"),
    [
        ("length_cm", "0,45 m", "45"),
        ("length (cm)", "450 mm", "45"),
        ("length_cm", "45 cm", "45"),
        ("length_cm", "4 kg", None),
        # Without a name that tells the unit, a number among the others is as good as theirs.
        ("length", "45 cm", "45"),
        ("length", "450 mm", None),
        ("length", "0.45 m", None),
    ],
)
def test_a_unit_that_is_not_the_columns_is_converted_or_stays(name: str, odd: str, right: str | None) -> None:
    found = {each.old: each.new for each in column_errors({**LENGTHS, odd: 1}, name=name)}
    assert found.get(odd) == right


def test_units_of_several_kinds_among_bare_numbers_stay() -> None:
    found = column_errors({**LENGTHS, "45 cm": 1, "45 mm": 1}, name="size")
    assert {(each.old, each.new, each.suspect) for each in found} == {("45 cm", None, True), ("45 mm", None, True)}


def test_a_short_code_gets_the_zero_that_it_has_elsewhere() -> None:
    codes = {f"{n:05}": 3 for n in range(1000, 60_000, 1111)}
    found = {each.old: (each.new, each.suspect) for each in column_errors({**codes, "2111": 1, "8010": 9})}
    assert found == {"2111": ("02111", False), "8010": (None, True)}


def test_grouped_codes_get_back_the_zeros_before_them() -> None:
    codes = [f"{n % 300:03}-{n % 90:02}-{n:04}" for n in range(400)]
    found = {each.old: each for each in column_errors(Counter([*codes, "12-44-0007", "5-02-0009"]))}
    assert {old: each.new for old, each in found.items()} == {"12-44-0007": "012-44-0007", "5-02-0009": "005-02-0009"}
    assert all(each.confidence < 0.95 for each in found.values())
    # Where no code begins with a zero, shorter ones are others; so are those that recur, and those with another build.
    whole = [code for code in codes if code[0] != "0"]
    assert all(each.suspect for each in column_errors(Counter([*whole, "12-44-0007"])))
    assert "012-4-0007" not in {each.new for each in column_errors(Counter([*codes, "12-4-0007"]))}
    recurring = column_errors(Counter([*codes, *["12-44-0007"] * 5]))
    assert all(each.suspect for each in recurring)


def test_titles_behind_chinese_names_are_taken_off_where_the_name_occurs() -> None:
    names = ["赵敏", "王伟", "李娜", "张三丰", "刘洋", "陈静"] * 20
    found = column_errors(Counter([*names, "赵敏主任", "张三丰先生", "孙权教授", "主任"]))
    assert {each.old: each.new for each in found if not each.suspect} == {"赵敏主任": "赵敏", "张三丰先生": "张三丰"}
    assert all(each.confidence < 0.95 for each in found)


def test_a_converted_number_has_the_decimals_of_its_column() -> None:
    metres = [f"{n}.{n % 10} m" for n in range(800, 1000)]
    found = {each.old: each.new for each in column_errors(Counter([*metres, "0.9 km", "0.91234 km"]))}
    assert found == {"0.9 km": "900.0 m", "0.91234 km": "912.34 m"}
