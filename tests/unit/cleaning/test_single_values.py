"""Values one by one: what each form makes of them; a value that maps to itself must stay as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from echo import run
from pg_llm.cleaning import forms
from pg_llm.cleaning.host import encodings, markup, text_repair, values
from pg_llm.values.host import dates, numbers

BY_INSTRUCTION: dict[str, dict[str, str | None]] = json.loads(
    Path(__file__).with_name("single_values.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("instruction", BY_INSTRUCTION)
def test_values_by_instruction(instruction: str) -> None:
    right = BY_INSTRUCTION[instruction]
    works = values.prepare(None, list(right), {"instruction": instruction or None, "locale": None})
    made = dict(zip(right, run(works, None), strict=True))
    if instruction and forms.makes_null(instruction):
        made = {text: result or None for text, result in made.items()}
    assert made == right


@pytest.mark.parametrize("instruction", BY_INSTRUCTION)
def test_what_is_in_a_form_stays_in_it(instruction: str) -> None:
    # Without their units and titles, and in another case, values are in no form that could be told from others.
    made = [each for each in BY_INSTRUCTION[instruction].values() if each]
    if instruction.startswith(("number in", "strip", "plain", "only the unit", "only the house")):
        return
    again = run(values.prepare(None, made, {"instruction": instruction or None, "locale": None}), None)
    assert again == made


def test_instructions_that_say_more_than_a_form_go_to_a_model() -> None:
    for instruction in (
        "only the city without the zip code",
        "the domain of the company that is named",
        "the house number of the second address",
        "only the surname",
        "explain the unit",
    ):
        assert forms.find(instruction) is None, instruction


@pytest.mark.parametrize("locale", ["de", "de_DE", "pt_BR", "fr", "ru", "en_US", "en-IN", "sv", "pl", "ja"])
def test_numbers_and_dates_of_a_locale_are_read_back(locale: str) -> None:
    from datetime import date
    from decimal import Decimal

    from babel.dates import format_date
    from babel.numbers import format_decimal

    name = locale.replace("-", "_")
    for number in (Decimal("0.5"), Decimal("12.75"), Decimal("1234.5"), Decimal("-1234567.25"), Decimal("98765")):
        parsed = numbers.parse(format_decimal(number, locale=name), locale)
        assert parsed is not None, (locale, number)
        assert parsed.value == number
    for day in (date(1999, 12, 31), date(2024, 2, 29), date(2021, 3, 4), date(2005, 10, 11)):
        for form in ("long", "medium", "short"):
            read = dates.read(format_date(day, form, locale=name), dates.order_of(locale), locale)
            if read is not None or "_" in name:
                assert read is not None, (locale, form, format_date(day, form, locale=name))
                assert read.day == day


@pytest.mark.parametrize("text", ["Müller", "Łódź", "ÅÄÖ", "McÉwan", "DeÁngelo", "x%20y", "100%25", r"C:\users", "→ ✓"])
def test_texts_in_their_right_encoding_stay(text: str) -> None:
    assert encodings.redecode(text) == text
    assert text_repair.repair(text) == text


def test_html_becomes_text() -> None:
    assert markup.plain_text("<script>x()</script><p>a <b>b</b></p>c") == "a b\nc"
    assert markup.plain_text("1 < 2") == "1 < 2"
