"""Fair batch scheduling: one queue per model, whose batches mix texts of all sessions (round robin).

Sessions take turns. The session whose turn it is opens a batch with its shortest waiting texts; the others fill up the
token budget with texts no longer than the longest in the batch, so that no text adds padding to another session's. A
session with 10,000 texts and one with a single text thus wait for one batch, not for each other. A text that is still
being generated continues in a later batch, before other texts of its session. An engine that works elsewhere runs
several batches at a time; one whose sessions have all gone is ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pg_llm import errors
from pg_llm.models.engine import Engine, Window, is_concurrent
from pg_llm.runtime.usage import Spent
from pg_llm.tasks import batching
from pg_llm.tasks.batching import BatchFailed, Budget

log = logging.getLogger(__name__)
Session = int
# Stands for an output that is not there yet.
_NOT_THERE = object()
# Starts a batch; cancelling the future ends it where that is possible.
Submit = Callable[[Sequence[Window]], Future[Sequence[Any]]]


@dataclass(slots=True)
class _Job:
    windows: list[Window]
    results: list[Any]
    missing: int
    done: asyncio.Future[list[Any]]
    seconds: float = 0.0
    # Positions of windows that the model has been given, and for those it works on when and for which share of it.
    begun: set[int] = field(default_factory=set)
    running: dict[int, tuple[float, float]] = field(default_factory=dict)

    def seconds_until(self, now: float) -> float:
        """Time in which the model has worked on it, batches that are not ready included."""
        return self.seconds + sum((now - started) * share for started, share in self.running.values())


@dataclass(frozen=True, slots=True)
class _Item:
    session: Session
    job: _Job
    position: int

    @property
    def window(self) -> Window:
        return self.job.windows[self.position]


class ModelQueue:
    """The windows that wait for one model. Everything but the batches happens in the event loop's thread."""

    def __init__(self, submit: Submit, budget: Budget, concurrency: int = 1) -> None:
        self._submit = submit
        self._budget = budget
        self._concurrency = concurrency
        self._waiting: OrderedDict[Session, deque[_Item]] = OrderedDict()
        self._running: dict[asyncio.Task[None], list[_Item]] = {}

    @classmethod
    def of(cls, model: Engine, get: Callable[[], Engine]) -> ModelQueue:
        """The queue of a model; `get` gives it for every batch, as it may have been evicted and loaded again."""
        budget = Budget.of(model)
        if is_concurrent(model):
            return cls(lambda batch: get().submit(batch), budget, model.concurrency)  # type: ignore[attr-defined]
        thread = ThreadPoolExecutor(1)
        return cls(lambda batch: thread.submit(lambda: get().forward(batch)), budget)

    def __len__(self) -> int:
        """The number of waiting windows."""
        return sum(len(items) for items in self._waiting.values())

    async def submit(self, session: Session, windows: Sequence[Window], spent: Spent | None = None) -> list[Any]:
        """The outputs for the windows, in order: BatchFailed for those that are missing because a batch raised.

        What they cost is added to `spent`, also if the request is cancelled.
        """
        if not windows:
            return []
        job = _Job(list(windows), [_NOT_THERE] * len(windows), len(windows), asyncio.get_running_loop().create_future())
        items = self._waiting.setdefault(session, deque())
        items.extend(_Item(session, job, position) for position in batching.by_length(windows))
        # Once all that is submitted at this moment is there.
        asyncio.get_running_loop().call_soon(self._start_batches)
        try:
            return await job.done
        finally:
            if spent is not None:
                spent.seconds += job.seconds_until(time.monotonic())
                spent.count((windows[position], job.results[position]) for position in job.begun)

    def cancel(self, session: Session) -> None:
        """Drop the session's waiting windows, and end batches that nobody else waits for."""
        for item in self._waiting.pop(session, ()):
            item.job.done.cancel()
        for task, batch in self._running.items():
            if all(item.session == session for item in batch):
                task.cancel()

    def next_batch(self) -> list[_Item]:
        """Take the next batch off the queues."""
        batch: list[_Item] = []
        longest = 0
        turns = list(self._waiting)
        for session in turns:
            items = self._waiting[session]
            while items:
                cost = items[0].window.cost
                fits = self._budget.holds(max(longest, cost), len(batch) + 1)
                if not fits or (session != turns[0] and cost > longest):
                    break
                batch.append(items.popleft())
                longest = max(longest, cost)
            if not items:
                del self._waiting[session]
        if turns and turns[0] in self._waiting:
            self._waiting.move_to_end(turns[0])
        return batch

    def _start_batches(self) -> None:
        while len(self._running) < self._concurrency and (batch := self.next_batch()):
            task = asyncio.create_task(self._run(batch))
            self._running[task] = batch
            task.add_done_callback(self._end_batch)

    def _end_batch(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._start_batches()

    async def _run(self, batch: list[_Item]) -> None:
        started = time.monotonic()
        total = sum(item.window.cost for item in batch) or 1
        for item in batch:
            item.job.begun.add(item.position)
            # Each text has its share of the batch.
            item.job.running[item.position] = (started, item.window.cost / total)
        try:
            results = await asyncio.wrap_future(self._submit([item.window for item in batch]))
        except asyncio.CancelledError:
            for item in batch:
                item.job.done.cancel()
        except Exception as error:  # noqa: BLE001 - given to every job of the batch
            self._fail(batch, error)
        else:
            self._finish(batch, results)
        finally:
            seconds = time.monotonic() - started
            for item in batch:
                _, share = item.job.running.pop(item.position)
                item.job.seconds += seconds * share

    def _finish(self, batch: list[_Item], results: Sequence[Any]) -> None:
        unfinished: dict[Session, list[_Item]] = {}
        for item, result in zip(batch, results, strict=True):
            job = item.job
            if isinstance(result, Window):
                # Unfinished; a job that was cancelled meanwhile is dropped.
                if not job.done.done():
                    job.windows[item.position] = result
                    unfinished.setdefault(item.session, []).append(item)
                continue
            job.results[item.position] = result
            job.missing -= 1
            if not job.missing and not job.done.done():
                job.done.set_result(job.results)
        for session, items in unfinished.items():
            self._waiting.setdefault(session, deque()).extendleft(reversed(items))

    def _fail(self, batch: list[_Item], error: Exception) -> None:
        if len({item.session for item in batch}) > 1:
            log.error("a batch of several sessions failed", exc_info=error)
            error = errors.to_others(error)
        jobs = {id(item.job): item.job for item in batch}
        for session in list(self._waiting):
            remaining = deque(item for item in self._waiting[session] if id(item.job) not in jobs)
            self._waiting[session] = remaining
            if not remaining:
                del self._waiting[session]
        for job in jobs.values():
            if not job.done.done():
                failed = BatchFailed(error)
                job.done.set_result([failed if output is _NOT_THERE else output for output in job.results])
