"""Phone numbers in the form of their column: groups end where the numbering plan ends them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from pg_llm.cleaning.host.types import phone_repairs
from pg_llm.cleaning.host.types.column_type import ColumnType
from pg_llm.values.host import phones


def german(count: int) -> list[str]:
    """Numbers whose area codes have two or three digits."""
    draw = random.Random(3)
    areas = draw.choices(["30", "40", "89", "711", "221", "341"], k=count)
    return [f"+49 {area} {draw.randint(2 * 10 ** (8 - len(area)), 10 ** (9 - len(area)) - 1)}" for area in areas]


def american(count: int) -> list[str]:
    """Numbers that are in no plan, as in examples."""
    draw = random.Random(3)
    return [f"({draw.randint(200, 999)}) 555-{draw.randint(0, 9999):04d}" for _ in range(count)]


def repaired(values: Sequence[str], region: str | None = None) -> dict[str, str | None]:
    column = ColumnType("phone", 1.0, region=region)
    return {each.old: each.new for each in phone_repairs.repairs(Counter(values), column)}


def test_area_codes_of_another_length_are_left_alone() -> None:
    values = [value for value in german(80) if phones.parse(value)]
    assert len(values) > 60
    assert len({value.find(" ", 4) for value in values}) > 1
    assert repaired(values) == {}


@pytest.mark.parametrize("written", ["0711-654321", "0049 711 654321", "+49 (0)711 654321", "0711/654 321"])
def test_other_writings_get_the_columns_form(written: str) -> None:
    assert repaired([*german(80), written])[written] == "+49 711 654321"


@pytest.mark.parametrize("written", ["212-555-0199", "+1 212 555 0199", "2125550199", "212.555.0199"])
def test_numbers_of_no_plan_are_written_in_the_one_shape(written: str) -> None:
    assert repaired([*american(60), written], "US") == {written: "(212) 555-0199"}


def test_groups_that_do_not_fit_are_no_slip() -> None:
    # The other length of the subscriber's part says nothing of where a fourth group would begin.
    london = [f"+44 20 {7100 + number} {1000 + number}" for number in range(60)]
    found = repaired([*london, "020 7946 0958", "01223 334567"])
    assert found["020 7946 0958"] == "+44 20 7946 0958"
    assert "01223 334567" not in found
    assert repaired(["12", "13"]) == {}
