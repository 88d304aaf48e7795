from __future__ import annotations

import datetime
from decimal import Decimal

import psycopg
import pytest
from database import value
from psycopg import errors

PARSED = [
    ("llm_parse_number('1.234,50 €')", Decimal("1234.50")),
    ("llm_parse_number('(1,234.56)')", Decimal("-1234.56")),
    ("llm_parse_number('1,234')", None),
    ("llm_parse_number('1,234', 'en')", Decimal("1234")),
    ("llm_parse_number('1,234', locale => 'de_DE')", Decimal("1.234")),
    ("llm_parse_number('1.2M')", Decimal("1200000")),
    ("llm_parse_number('1e30K')", Decimal(10) ** 33),
    ("llm_parse_number('NaN')", None),
    ("llm_parse_number('')", None),
    ("llm_parse_number(NULL)", None),
    ("llm_parse_number(repeat('1', 1000000))", None),
    ("llm_parse_date('3. März 2024')", datetime.date(2024, 3, 3)),
    ("llm_parse_date('03/04/2024')", None),
    ("llm_parse_date('03/04/2024', 'en-GB')", datetime.date(2024, 4, 3)),
    ("llm_parse_date('03/04/2024', 'en_US')", datetime.date(2024, 3, 4)),
    ("llm_parse_date('03/04/2024', 'en')", None),
    ("llm_parse_date('44197')", None),
    ("llm_parse_date('3-5 May 2021')", None),
    ("llm_parse_date(NULL, 'de')", None),
    ("llm_parse_phone('0049 30 901820')", "+4930901820"),
    ("llm_parse_phone('030 901820')", None),
    ("llm_parse_phone('030 901820', 'de_DE')", "+4930901820"),
    ("llm_parse_phone('030 901820', 'de')", None),
    ("llm_parse_phone('call me')", None),
    (
        "llm_parse_address('12b Main Street, Apt 4, Springfield, IL 62701, USA')",
        {
            "house_number": "12b",
            "street": "Main Street",
            "unit": "Apt 4",
            "city": "Springfield",
            "state": "IL",
            "postcode": "62701",
            "country": "US",
        },
    ),
    (
        "llm_parse_address('Hauptstr. 12, 10827 Berlin')",
        {"house_number": "12", "street": "Hauptstr.", "postcode": "10827", "city": "Berlin"},
    ),
    ("llm_parse_address('somewhere')", None),
    ("llm_parse_address(NULL)", None),
]


@pytest.mark.parametrize(("call", "result"), PARSED, ids=[call for call, _ in PARSED])
def test_parsed_values(db: psycopg.Connection, call: str, result: object) -> None:
    assert value(db, f"SELECT {call}") == result


def test_an_unknown_locale_is_an_error(db: psycopg.Connection) -> None:
    for call in (
        "llm_parse_number('1', 'xx_YY')",
        "llm_parse_date('1', 'no such locale')",
        "llm_clean('1', 'number', locale => '; DROP')",
        "llm_semantic_type('{1}', '../../etc')",
        "llm_parse_phone('1', repeat('d', 100000))",
    ):
        with pytest.raises(errors.InvalidParameterValue, match="unknown locale") as caught:
            db.execute(f"SELECT {call}")
        assert "en_US" in (caught.value.diag.message_hint or "")
        db.rollback()


@pytest.mark.parametrize(
    ("inputs", "result"),
    [
        (["1.234,50 €", "33,10 €", "5,00 €", "n/a"], ("money", 1, ",", None, None, "EUR", None, False)),
        (["25/03/2021", "03/04/2021", "31/12/2020"], ("date", 1, None, "DMY", None, None, None, False)),
        (["05/03/2021", "03/04/2021"], ("date", 1, None, None, None, None, None, True)),
        (["AB-12", "CD-34", "EF-56", None], ("code", 1, None, None, None, None, r"[A-Z]{2}\-\d{2}", False)),
        (["Deutschland", "France", "UK"], ("country", 1, None, None, None, None, None, False)),
        (["", None, " ", "N/A"], (None,) * 8),
        ([None, ""], (None,) * 8),
        ([], (None,) * 8),
        (None, (None,) * 8),
    ],
)
def test_semantic_types(db: psycopg.Connection, inputs: list[str | None] | None, result: tuple[object, ...]) -> None:
    assert db.execute("SELECT * FROM llm_semantic_type(%s)", (inputs,)).fetchall() == [result]


def test_a_locale_decides_what_a_column_leaves_open(db: psycopg.Connection) -> None:
    call = "SELECT date_order, ambiguous FROM llm_semantic_type('{05/03/2021,03/04/2021}', %s)"
    assert db.execute(call, ("en_US",)).fetchone() == ("MDY", False)
    assert db.execute(call, ("en_GB",)).fetchone() == ("DMY", False)


def test_many_and_long_values_are_sampled(db: psycopg.Connection) -> None:
    many = "(SELECT array_agg(n::text || ' kg') FROM generate_series(1, 100000) AS n)"
    assert db.execute(f"SELECT type, unit FROM llm_semantic_type({many})").fetchone() == ("quantity", "kg")
    assert (
        value(db, "SELECT type FROM llm_semantic_type(ARRAY[repeat('1', 10000000), repeat('x', 10000000)])") == "text"
    )


@pytest.mark.parametrize(
    ("text", "instruction", "locale", "right"),
    [
        ("1.234", "number", "de", "1234"),
        ("1.234", "number", "en", "1.234"),
        ("1.234", "number", None, "1.234"),
        ("03/04/2021", "ISO date", "fr_FR", "2021-04-03"),
        ("030 901820", "E.164 phone", "de_DE", "+4930901820"),
        ("N/A", "NULL if there is no value", None, None),
        ("Nadia", "NULL if there is no value", None, "Nadia"),
    ],
)
def test_llm_clean_takes_a_locale(
    db: psycopg.Connection, text: str, instruction: str, locale: str | None, right: str | None
) -> None:
    assert value(db, "SELECT llm_clean(%s, %s, locale => %s)", text, instruction, locale) == right
