"""Batches of windows under a token budget, padding included."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from pg_llm.models.engine import ConcurrentEngine, Engine, Window, is_concurrent
from pg_llm.tasks import WorkItem, passages, worker_process

# Seconds between two questions whether anybody waits.
_SLICE = 0.05


class BatchFailed(Exception):
    """Stands for the outputs that are missing because a batch raised `error`: the request as a whole has failed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def by_length(windows: Sequence[Window]) -> list[int]:
    """Positions of the windows, shortest first: texts of similar length waste least on padding."""
    return sorted(range(len(windows)), key=lambda position: windows[position].cost)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a batch may have: tokens, padding included, and windows."""

    tokens: int
    windows: int = sys.maxsize

    @classmethod
    def of(cls, model: Engine) -> Budget:
        """The engine's."""
        return cls(model.batch_tokens, getattr(model, "batch_windows", sys.maxsize))

    def holds(self, longest: int, size: int) -> bool:
        """Whether it holds so many windows padded to `longest` tokens; a single window it always does."""
        return size == 1 or (longest * size <= self.tokens and size <= self.windows)


def forward(
    run: Callable[[Sequence[Window]], Any], windows: Sequence[Window], budget: int, between: Callable[[], object]
) -> list[Any]:
    """The outputs of all windows, in order; `between` is called before each batch and may raise."""
    outputs: list[Any] = list(windows)
    waiting = by_length(windows)
    while waiting:
        between()
        batch, waiting = _first_batch(windows, waiting, Budget(budget))
        for position, output in zip(batch, run([outputs[position] for position in batch]), strict=True):
            outputs[position] = output
        waiting = [position for position in batch if isinstance(outputs[position], Window)] + waiting
    return outputs


def forward_concurrently(
    model: ConcurrentEngine, windows: Sequence[Window], between: Callable[[], object], seconds: float
) -> list[Any]:
    """As `forward`, with several batches under way; `between` is called every so many seconds.

    After an error, whether of a batch or raised by `between`, no batch goes on; that of a batch stands in place of the
    outputs that are missing.
    """
    outputs: list[Any] = list(windows)
    budget = Budget.of(model)
    waiting = by_length(windows)
    running: dict[Future[Sequence[Any]], list[int]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < model.concurrency:
                batch, waiting = _first_batch(windows, waiting, budget)
                running[model.submit([outputs[position] for position in batch])] = batch
            between()
            for future in wait(running, seconds, FIRST_COMPLETED).done:
                batch = running.pop(future)
                try:
                    results = future.result()
                except Exception as error:  # noqa: BLE001 - given to every text that misses an output
                    failed = BatchFailed(error)
                    return [failed if isinstance(output, Window) else output for output in outputs]
                for position, output in zip(batch, results, strict=True):
                    outputs[position] = output
                waiting = [position for position in batch if isinstance(outputs[position], Window)] + waiting
    finally:
        for future in running:
            future.cancel()
    return outputs


def _first_batch(windows: Sequence[Window], waiting: list[int], budget: Budget) -> tuple[list[int], list[int]]:
    """The positions that fit into one batch, and those that go on waiting."""
    size = 1
    while size < len(waiting) and budget.holds(windows[waiting[size]].cost, size + 1):
        size += 1
    return waiting[:size], waiting[size:]


def embed(model: Engine, texts: Sequence[str]) -> Any:
    """The unit vectors of the texts' first windows, float32 of shape (len(texts), dimensions); the caller pays."""
    import numpy as np

    return np.asarray(outputs(model, passages.first_windows(model, texts)))


def run(model: Engine, works: Sequence[WorkItem]) -> list[str]:
    """The results of work items by a model of this process, in any thread: nobody is asked whether they still wait."""
    items: list[str | WorkItem] = list(works)
    while unfinished := [(place, item) for place, item in enumerate(items) if isinstance(item, WorkItem)]:
        windows = [window for _, item in unfinished for window in item.windows]
        found = iter(forward(model.forward, windows, model.batch_tokens, lambda: None))
        for place, item in unfinished:
            items[place] = item.finish([next(found) for _ in item.windows])
    return [str(item) for item in items]


def outputs(model: Engine, windows: Sequence[Window]) -> list[Any]:
    """The outputs for windows; the caller pays. Raises the error of the first that failed."""
    started = time.monotonic()
    found: list[Any] = [None] * len(windows)
    try:
        if is_concurrent(model):
            # It may take long, and then nobody may wait for it any more.
            found = forward_concurrently(model, windows, worker_process.check_caller, _SLICE)
        else:
            found = forward(model.forward, windows, model.batch_tokens, worker_process.check_caller)
    finally:
        if (spent := worker_process.caller.spent) is not None:
            spent.seconds += time.monotonic() - started
            spent.count(zip(windows, found, strict=True))
    for output in found:
        if isinstance(output, Exception):
            raise output.error if isinstance(output, BatchFailed) else output
    return found
