from __future__ import annotations

import pytest
from pg_llm.values.host.numbers_in_text import find


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("The price is 99,90 euros.", ["99.90"]),
        ("total 1.234,50 EUR", ["1234.50"]),
        ("3 million people, 3.2 million of them", ["3000000", "3200000"]),
        ("order number 2025-0042", []),
        ("between 10-12 pages", ["10", "12"]),
        ("on 2021-03-05 at 10:30, page 3/4", []),
        ("-5 degrees and +7, minus −12.5", ["-5", "7", "-12.5"]),
        ("A4 paper, 12kg, a 5-star hotel", ["4", "12", "5"]),
        ("1,250 units at $3.50", ["1250", "3.50"]),
        ("1.250 Stück zu 3,50", ["1250", "3.50"]),
        ("1.250 is little", ["1.250"]),
        ("population 1 234 567.", ["1234567"]),
        ("call 555-1234", []),
        ("v1.2.3", []),
        ("In 2021, 3,000 came", ["2021", "3000"]),
        ("", []),
        ("1" * 400, []),
    ],
)
def test_numbers_are_whole(text: str, numbers: list[str]) -> None:
    assert [str(number) for number in find(text)] == numbers
