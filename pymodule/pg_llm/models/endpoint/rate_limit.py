"""Limits on the requests and the tokens of any minute (a sliding window, so that no minute has more)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_MINUTE = 60.0


@dataclass(slots=True)
class Use:
    """How much was used, and when; the amount may be corrected once it is known."""

    when: float
    amount: float


class SlidingWindow:
    """What was used in the last minute, against a limit."""

    def __init__(self, limit: float, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._now = now
        self._uses: deque[Use] = deque()

    def delay(self, amount: float) -> float:
        """Seconds until so much more may be used. More than the limit may, once nothing else is in the window."""
        now = self._now()
        while self._uses and self._uses[0].when <= now - _MINUTE:
            self._uses.popleft()
        left = sum(use.amount for use in self._uses)
        wait = 0.0
        for use in self._uses:
            if left + amount <= self._limit:
                break
            left -= use.amount
            wait = use.when + _MINUTE - now
        return wait

    def use(self, amount: float) -> Use:
        """Count a use that begins now."""
        self._uses.append(Use(self._now(), amount))
        return self._uses[-1]


class RateLimit:
    """At most so many `requests` and so many `tokens` a minute; one that is not named is not limited."""

    def __init__(self, limits: Mapping[str, float]) -> None:
        self._requests, self._tokens = (
            SlidingWindow(limits[name]) if name in limits else None for name in ("requests", "tokens")
        )
        self._turn = asyncio.Lock()

    async def wait(self, tokens: float) -> Use:
        """Wait until one more request with about so many tokens may be sent, in the order of the callers."""
        async with self._turn:
            while delay := max(
                self._requests.delay(1) if self._requests else 0.0, self._tokens.delay(tokens) if self._tokens else 0.0
            ):
                await asyncio.sleep(delay)
            if self._requests:
                self._requests.use(1)
            return self._tokens.use(tokens) if self._tokens else Use(0.0, tokens)
