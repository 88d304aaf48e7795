"""One queue per model: batches across all sessions, fair between them.

Sessions take turns. The one whose turn it is opens a batch with its shortest waiting texts, the others fill what the
token budget leaves with texts that are no longer than the longest there, so that nobody pays for another's padding.
A session with 10,000 texts and one with a single text thus wait for one batch, not for each other. A text that a model
is still writing goes on in a later batch, ahead of its session's others.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pg_llm.models.engine import Window
from pg_llm.tasks import batching

Session = int
Run = Callable[[Sequence[Window]], Sequence[Any]]


@dataclass(slots=True)
class _Job:
    units: list[Window]
    results: list[Any]
    missing: int
    done: asyncio.Future[list[Any]]


@dataclass(frozen=True, slots=True)
class _Item:
    session: Session
    job: _Job
    position: int

    @property
    def unit(self) -> Window:
        return self.job.units[self.position]


class ModelQueue:
    """The work that waits for one model. Everything but `run` happens in the event loop's thread."""

    def __init__(self, run: Run, budget: int) -> None:
        self._run = run
        self._budget = budget
        self._waiting: OrderedDict[Session, deque[_Item]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1)
        self._worker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many texts wait."""
        return sum(len(items) for items in self._waiting.values())

    async def submit(self, session: Session, units: Sequence[Window]) -> list[Any]:
        """The results of the units, in order."""
        if not units:
            return []
        job = _Job(list(units), [None] * len(units), len(units), asyncio.get_running_loop().create_future())
        items = self._waiting.setdefault(session, deque())
        items.extend(_Item(session, job, position) for position in batching.by_length(units))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await job.done

    def cancel(self, session: Session) -> None:
        """Forget what the session still waits for."""
        for item in self._waiting.pop(session, ()):
            item.job.done.cancel()

    def next_batch(self) -> list[_Item]:
        """Take the next batch off the queues."""
        batch: list[_Item] = []
        longest = 0
        turns = list(self._waiting)
        for session in turns:
            items = self._waiting[session]
            while items:
                cost = items[0].unit.cost
                fits = batching.fits(max(longest, cost), len(batch) + 1, self._budget)
                if not fits or (session != turns[0] and cost > longest):
                    break
                batch.append(items.popleft())
                longest = max(longest, cost)
            if not items:
                del self._waiting[session]
        if turns and turns[0] in self._waiting:
            self._waiting.move_to_end(turns[0])
        return batch

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self.next_batch():
                units = [item.unit for item in batch]
                try:
                    results = await loop.run_in_executor(self._thread, self._run, units)
                except Exception as error:  # noqa: BLE001 - every job of the batch is told
                    self._fail(batch, error)
                else:
                    self._finish(batch, results)
        finally:
            self._worker = None

    def _finish(self, batch: list[_Item], results: Sequence[Any]) -> None:
        unfinished: dict[Session, list[_Item]] = {}
        for item, result in zip(batch, results, strict=True):
            job = item.job
            if isinstance(result, Window):
                # A job that was cancelled meanwhile is not gone on with.
                if not job.done.done():
                    job.units[item.position] = result
                    unfinished.setdefault(item.session, []).append(item)
                continue
            job.results[item.position] = result
            job.missing -= 1
            if not job.missing and not job.done.done():
                job.done.set_result(job.results)
        for session, items in unfinished.items():
            self._waiting.setdefault(session, deque()).extendleft(reversed(items))

    def _fail(self, batch: list[_Item], error: Exception) -> None:
        failed = {id(item.job): item.job for item in batch}
        for session in list(self._waiting):
            kept = deque(item for item in self._waiting[session] if id(item.job) not in failed)
            self._waiting[session] = kept
            if not kept:
                del self._waiting[session]
        for job in failed.values():
            if not job.done.done():
                job.done.set_exception(error)
