from __future__ import annotations

from collections.abc import Callable

import pytest
from pg_llm.privacy.host import check_digits

# Numbers that the states, or the standards, print as examples.
EXAMPLES: list[tuple[Callable[[str], bool], str]] = [
    (check_digits.luhn, "4111111111111111"),
    (check_digits.nhs, "9434765919"),
    (check_digits.german_tax_id, "86095742719"),
    (check_digits.german_insurance, "15070649C103"),
    (check_digits.french_insurance, "255081416802538"),
    (check_digits.spanish, "12345678Z"),
    (check_digits.spanish, "X1234567L"),
    (check_digits.spanish_company, "A58818501"),
    (check_digits.codice_fiscale, "RSSMRA85T10A562S"),
    (check_digits.resident_identity, "11010519491231002X"),
]


@pytest.mark.parametrize(("check", "number"), EXAMPLES)
def test_examples_pass_and_no_changed_digit_does(check: Callable[[str], bool], number: str) -> None:
    assert check(number)
    changed = [
        number[:place] + str((int(digit) + 1) % 10) + number[place + 1 :]
        for place, digit in enumerate(number)
        if digit.isdigit()
    ]
    assert not any(map(check, changed))


@pytest.mark.parametrize("number", ["000121234", "666121234", "900121234", "123001234", "123120000"])
def test_social_security_numbers_that_are_given_to_nobody(number: str) -> None:
    assert check_digits.social_security("536904399")
    assert not check_digits.social_security(number)


def test_a_french_tax_number() -> None:
    assert check_digits.french_tax("3023217600" + f"{3023217600 % 511:03}")
    assert not check_digits.french_tax("3023217600" + f"{(3023217600 + 1) % 511:03}")


@pytest.mark.parametrize("letter", ["\u0130", "\u212a", "\u017f", "\u0131"])
def test_a_letter_that_is_one_of_these_in_another_case_only(letter: str) -> None:
    assert not check_digits.codice_fiscale(f"R{letter}SMRA85T10A562S")
