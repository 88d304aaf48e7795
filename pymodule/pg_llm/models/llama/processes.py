"""The processes of one model: another one is started when more texts come than those that run can work on.

Small models gain little by threads that share a product, which mostly wait for each other; processes that read texts of
their own do not. All map the same weights.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from concurrent.futures import Future

from pg_llm.errors import Error
from pg_llm.models import event_loop
from pg_llm.models.llama.process import Llama
from pg_llm.models.llama.settings import Settings

log = logging.getLogger(__name__)
# Texts of a process beside which another one finds a faster place in a process of its own.
_FEW = 2


class Processes:
    """One process at least, and as many as the settings say at most."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._running = [Llama(settings)]
        self._most = settings.processes
        self._starting: Future[None] | None = None

    @property
    def first(self) -> Llama:
        """The process that is always there."""
        return self._running[0]

    @contextlib.contextmanager
    def least_busy(self) -> Iterator[Llama]:
        """The process with the fewest texts, which has one more meanwhile. For the event loop's thread."""
        chosen = min(self._running, key=lambda llama: llama.running)
        if chosen.running >= min(_FEW, self.settings.slots):
            self._grow()
        chosen.running += 1
        try:
            yield chosen
        finally:
            chosen.running -= 1

    def _grow(self) -> None:
        """Start another process, unless that is under way, or there are as many as may be."""
        if len(self._running) < self._most and (self._starting is None or self._starting.done()):
            self._starting = event_loop.start(self._start())

    async def _start(self) -> None:
        try:
            self._running.append(await asyncio.to_thread(Llama, self.settings))
        except (Error, OSError) as error:
            # Texts wait for those that there are.
            self._most = len(self._running)
            log.warning("llama.cpp is not started once more: %s", error)
