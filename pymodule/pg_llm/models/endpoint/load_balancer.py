"""Which server of a model gets a request: that with the least outstanding ones, of those that work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Iterator, Sequence

from pg_llm.models.endpoint.replica import Replica


class LoadBalancer:
    """The servers of one model. All but the constructor belongs to the event loop's thread.

    A server that failed is left out while another one works, for a time that doubles, and then gets one request. Where
    none is known to work, all are tried, so that leaving out never is what fails a request.
    """

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self.replicas = replicas
        self.concurrency = sum(replica.concurrency for replica in replicas)
        self._changed = asyncio.Event()

    async def acquire(self, refused: Collection[Replica], failed: Collection[Replica]) -> Replica:
        """Wait for a place at a server that has not refused the request, and if it can be one that has not failed it.

        Give it back by `release`.
        """
        while True:
            now = time.monotonic()
            candidates = self._candidates(refused, now)
            candidates = [replica for replica in candidates if replica not in failed] or candidates
            free = [each for each in candidates if each.outstanding < each.concurrency and each.resume_at <= now]
            if free:
                chosen = min(free, key=lambda replica: (replica.outstanding, replica.last_chosen))
                chosen.outstanding += 1
                chosen.last_chosen = now
                return chosen
            changed = self._changed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._waits(now), default=None)):
                    await changed.wait()

    def release(self, replica: Replica) -> None:
        """Give a place back."""
        replica.outstanding -= 1
        # Those who wait look again, as a server may also have been found to work or not.
        self._changed.set()
        self._changed = asyncio.Event()

    def has_untried(self, tried: Collection[Replica]) -> bool:
        """Whether a server is to be had that the request has not met yet."""
        return any(replica not in tried for replica in self._candidates((), time.monotonic()))

    def _candidates(self, refused: Collection[Replica], now: float) -> list[Replica]:
        """The servers to choose from: all that work, or else all; without those that ask to wait, unless all do."""
        willing = [replica for replica in self.replicas if replica not in refused]
        if not all(replica.is_suspect for replica in willing):
            willing = [each for each in willing if not each.is_suspect or _may_be_tried(each, now)]
        return [replica for replica in willing if replica.resume_at <= now] or willing

    def _waits(self, now: float) -> Iterator[float]:
        """Seconds until a server may be asked that may not be asked now."""
        for replica in self.replicas:
            yield from (when - now for when in (replica.resume_at, replica.excluded_until) if when > now)


def _may_be_tried(replica: Replica, now: float) -> bool:
    """Whether a server that failed gets one request, which shows whether it is back."""
    return replica.excluded_until <= now and not replica.outstanding
