from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pg_llm.privacy import differential_privacy, privacy_budget

PLACES = st.integers(0, differential_privacy._CANDIDATES - 1)


def scores(places: list[int], part: int) -> list[int]:
    return differential_privacy._scores({place: places.count(place) for place in places}, part)


@given(st.lists(PLACES, max_size=40), st.integers(0, 1000), PLACES)
def test_one_row_moves_no_score_by_more_than_its_part(places: list[int], part: int, other: int) -> None:
    before, after = scores(places, part), scores([*places, other], part)
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= max(part, 1000 - part)


@given(st.lists(PLACES, min_size=1, max_size=40), st.integers(1, 999))
def test_a_quantile_has_the_best_score(places: list[int], part: int) -> None:
    found = scores(places, part)
    assert found[sorted(places)[len(places) * part // 1000]] == min(found) == 0


def test_a_price_is_rounded_up_and_a_budget_down() -> None:
    units = privacy_budget._units
    assert units(0.1, 0, privacy_budget.ROUND_CEILING) == units(0.1, 0, privacy_budget.ROUND_FLOOR) == 10**8
    assert units(1e-9 / 3, 0, privacy_budget.ROUND_CEILING) == 1
    assert units(1e-9 / 3, 0, privacy_budget.ROUND_FLOOR) == 0
    assert units(1e-6, 1, privacy_budget.ROUND_FLOOR) == 10**9
