"""Several servers of one model: each request goes to the one with the least outstanding, and past those that fail.

A server that fails is left alone for a while that doubles with each failure (outlier detection and circuit breaker, as
in Envoy); then one request at a time tries it, until one is answered.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pg_llm.errors import InvalidModel
from pg_llm.models import source
from pg_llm.models.endpoint.address import Address
from pg_llm.models.spec import ModelSpec

log = logging.getLogger(__name__)

# Seconds that a server is left alone after its first failure in a row, and at most.
_FIRST_PAUSE, _MAX_PAUSE = 1.0, 30.0


@dataclass(slots=True, eq=False)
class Replica:
    """One server: requests under way, failures in a row, and when the next request may be sent."""

    address: Address
    outstanding: int = 0
    failures: int = 0
    resume_at: float = 0.0
    last_used: int = 0

    @property
    def shown(self) -> str:
        """The address as errors name it."""
        return str(self.address.base.copy_with(query=None))


class Replicas:
    """The servers of a model, the one in its source first."""

    def __init__(self, spec: ModelSpec, now: Callable[[], float] = time.monotonic) -> None:
        first = Address.of(spec)
        others = [_other(spec, written, first.model) for written in spec.options.get("replicas", ())]
        self.all = [Replica(address) for address in dict.fromkeys((first, *others))]
        self._now = now
        self._used = 0

    def choose(self) -> Replica:
        """The server for the next request, which is sent at its `resume_at` at the earliest."""
        now = self._now()
        ready = [each for each in self.all if each.resume_at <= now and not (each.failures and each.outstanding)]
        if ready:
            return min(ready, key=lambda each: (each.outstanding, each.last_used))
        return min(self.all, key=lambda each: (max(each.resume_at, now), each.outstanding, each.last_used))

    @contextlib.contextmanager
    def asking(self, replica: Replica) -> Iterator[None]:
        """Count a request to the server while the block runs."""
        self._used += 1
        replica.last_used = self._used
        replica.outstanding += 1
        try:
            yield
        finally:
            replica.outstanding -= 1

    def worked(self, replica: Replica) -> None:
        """Note that the server answered."""
        if replica.failures and len(self.all) > 1:
            log.warning("the endpoint %s answers again", replica.shown)
        replica.failures = 0

    def failed(self, replica: Replica, why: object, wait: float | None = None) -> bool:
        """Note that the server did not answer, or asks to wait; whether another one is there to be asked now."""
        now = self._now()
        if wait is not None:
            replica.resume_at = max(replica.resume_at, now + wait)
        if len(self.all) == 1:
            return False
        if wait is None:
            replica.failures += 1
            pause = min(_MAX_PAUSE, _FIRST_PAUSE * 2.0 ** min(replica.failures - 1, 10))
            replica.resume_at = max(replica.resume_at, now + pause)
            log.warning("the endpoint %s is left alone for %.0f seconds: %s", replica.shown, pause, why)
        return any(each.resume_at <= now for each in self.all)


def _other(spec: ModelSpec, written: str, model: str) -> Address:
    """A further address, where the model may have another name. Raises InvalidModel."""
    if not source.is_endpoint(written):
        raise InvalidModel(f'not an address of a replica: "{written}"', hint="Write https://host/v1.")
    base, _, name = written.partition("#")
    return Address.of(replace(spec, source=f"{base}#{name or model}"))
