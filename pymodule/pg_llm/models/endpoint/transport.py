"""Requests to an endpoint, which has one or several servers: retries with back-off, and on another server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pg_llm.errors import EndpointFailed, Error, TextRefused
from pg_llm.models.endpoint import address
from pg_llm.models.endpoint.failure import OtherModel, RequestFailed
from pg_llm.models.endpoint.load_balancer import LoadBalancer
from pg_llm.models.endpoint.replica import Replica
from pg_llm.models.spec import ModelSpec

# Tries after the first.
_RETRIES = 5
# Seconds before the second try, doubled for each further one, and at most; up to half of it is taken off at random.
_FIRST_DELAY, _MAX_DELAY = 0.5, 8.0
# An answer that takes too long is asked for once more only, or once of each server: each may cost.
_MAX_TIMEOUTS = 2
# Seconds for which loading waits for each server.
_MAX_VERIFICATION = 10.0
# How many servers have to refuse a text.
_MAX_REFUSALS = 2
# Failures one after the other, at least, that are no longer taken for those of texts.
_MAX_FAILURES = 8
_R = TypeVar("_R")
Verify = Callable[[Replica], Awaitable[None]]


class Transport:
    """POST requests with JSON to an endpoint, for all sessions of this process."""

    def __init__(self, spec: ModelSpec) -> None:
        options = spec.options
        self._replicas = [Replica(*server, options) for server in address.servers(spec)]
        self._balancer = LoadBalancer(self._replicas)
        self._extra = options.get("extra_body", {})
        self._retries = options.get("retries", _RETRIES)
        self._verify: Verify | None = None
        self.max_response = self._replicas[0].max_response
        self.concurrency = self._balancer.concurrency
        # Requests that failed one after the other, with none between them that worked.
        self._failures = 0

    def failed(self, failure: RequestFailed) -> Error:
        """The error that callers see."""
        replica = failure.replica or self._replicas[0]
        message = f"the endpoint {replica.shown_address} failed: "
        if failure.of_text:
            return TextRefused(f"{message}{failure}", hint=failure.hint)
        key = f" The key is read from {replica.key.place}." if replica.key.place else ""
        hint = failure.hint or f"Check that it runs and serves this model.{key}"
        return EndpointFailed(f"{message}{failure}", hint=hint, to_others=message + failure.unquoted)

    async def post(
        self,
        resource: str,
        body: dict[str, Any],
        tokens: float,
        read: Callable[[Any], _R],
        *,
        patient: bool = True,
    ) -> _R:
        """What `read` makes of the JSON that comes; `tokens` is about how many will be counted. Raises RequestFailed.

        What fails on one server is asked of another at once. Who is not patient tries once more only, and not after a
        timeout.
        """
        others = len(self._replicas) - 1
        retries = self._retries if patient else min(self._retries, 1)
        most_timeouts = max(_MAX_TIMEOUTS if patient else 1, others + 1)
        fields = {name: value for name, value in {**body, **self._extra}.items() if value is not None}
        refused: set[Replica] = set()
        failed: set[Replica] = set()
        met: set[Replica] = set()
        tries = timeouts = rounds = 0
        while True:
            replica = await self._balancer.acquire(refused, failed)
            try:
                found = await self._ask(replica, resource, fields, tokens, read)
            except RequestFailed as error:
                failure = error
            else:
                self._failures = 0
                return found
            finally:
                self._balancer.release(replica)
            tries += 1
            timeouts += isinstance(failure.__cause__, TimeoutError)
            met.add(replica)
            (failed if failure.is_transient else refused).add(replica)
            failure.tries, failure.servers = tries, len(met)
            is_over = tries > retries + others or timeouts >= most_timeouts
            if failure.of_text:
                # What comes of the text itself comes of it everywhere; what a server says of it may be the server's.
                is_over = is_over or not failure.status or len(refused) >= _MAX_REFUSALS
            if not is_over and self._balancer.has_untried(refused | failed):
                continue
            if failure.of_text:
                raise failure
            if is_over or not failed:
                raise self._given_up(failure)
            rounds += 1
            failed.clear()
            await _back_off(rounds)

    async def verify(self, check: Verify) -> None:
        """Check each of several servers now, and one that failed whenever it comes back.

        Who does not answer now is checked before it is first asked. Raises OtherModel for one that serves another.
        """
        if len(self._replicas) == 1:
            return
        self._verify = check
        for found in await asyncio.gather(*map(self._verify_soon, self._replicas), return_exceptions=True):
            is_absent = isinstance(found, TimeoutError | RequestFailed) and not isinstance(found, OtherModel)
            if isinstance(found, BaseException) and not is_absent:
                raise found

    def show(self, text: str) -> str:
        """The beginning of a text from the endpoint, without its keys, in one line."""
        for replica in self._replicas:
            text = replica.show(text)
        return text

    async def _ask(
        self, replica: Replica, resource: str, fields: dict[str, Any], tokens: float, read: Callable[[Any], _R]
    ) -> _R:
        if self._verify and not replica.is_verified:
            await self._verify(replica)
            replica.is_verified = True
        return await replica.post(resource, fields, tokens, read)

    async def _verify_soon(self, replica: Replica) -> None:
        if self._verify:
            async with asyncio.timeout(_MAX_VERIFICATION):
                await self._verify(replica)
            replica.is_verified = True

    def _given_up(self, failure: RequestFailed) -> RequestFailed:
        """The failure after the last try; where requests fail one after the other, the texts are not what is wrong."""
        self._failures += 1
        failure.of_all = failure.of_all or self._failures >= max(self.concurrency, _MAX_FAILURES)
        if failure.of_all:
            self._failures = 0
        return failure


async def _back_off(rounds: int) -> None:
    delay = min(_MAX_DELAY, _FIRST_DELAY * 2.0 ** (rounds - 1))
    await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - no secret
