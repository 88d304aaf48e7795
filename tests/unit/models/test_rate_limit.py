"""No minute has more requests or tokens than an endpoint's limit, whatever comes."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.models.endpoint import rate_limit
from pg_llm.models.endpoint.rate_limit import RateLimit, SlidingWindow

_REQUESTS = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 150)), max_size=40)


@given(_REQUESTS)
def test_no_minute_has_more_than_the_limit(requests: list[tuple[float, int]]) -> None:
    now = 0.0
    window = SlidingWindow(100, lambda: now)
    used: list[tuple[float, int]] = []
    for pause, amount in requests:
        now += pause
        while delay := window.delay(amount):
            assert delay < 60.001
            now += delay + 1e-9
        window.use(amount)
        used.append((now, amount))
    for end, amount in used:
        in_minute = [each for when, each in used if end - 60 + 1e-6 < when <= end]
        # One that is larger than the limit goes alone.
        assert sum(in_minute) <= 100 or in_minute == [amount]


def test_what_was_estimated_is_corrected() -> None:
    window = SlidingWindow(100, lambda: 0.0)
    use = window.use(90)
    assert window.delay(20) == 60
    use.amount = 30
    assert window.delay(20) == 0


def test_callers_wait_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_MINUTE", 0.1)
    sent: list[tuple[int, float]] = []

    async def call(limit: RateLimit, number: int) -> None:
        use = await limit.wait(10)
        use.amount = 10
        sent.append((number, time.monotonic()))

    async def all_of(limit: RateLimit) -> None:
        await asyncio.gather(*(call(limit, number) for number in range(6)))

    for limits in ({"requests": 2}, {"tokens": 20}, {"requests": 2, "tokens": 1000}):
        sent.clear()
        asyncio.run(all_of(RateLimit(limits)))
        assert [number for number, _ in sent] == list(range(6))
        assert all(later[1] - earlier[1] >= 0.1 for earlier, later in zip(sent, sent[2:], strict=False))
    sent.clear()
    asyncio.run(all_of(RateLimit({})))
    assert len(sent) == 6
