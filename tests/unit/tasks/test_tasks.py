"""Work items, batches and caches, with models that count what they read."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from echo import EchoEngine, vector
from pg_llm import tasks
from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Window
from pg_llm.tasks import WorkItem, batching, probability, worker_process
from pg_llm.tasks.model_scoped_cache import ModelScopedCache


def test_a_text_is_read_in_steps() -> None:
    def steps() -> Generator[Sequence[Window], Sequence[Any], str]:
        first = yield [Window("a", 1), Window("b", 1)]
        second = yield [Window("c", 1)]
        return "".join([*first, *second])

    def none() -> Generator[Sequence[Window], Sequence[Any], str]:
        return "done"
        yield []

    work = tasks.stepwise(steps())
    assert [window.tokens for window in tasks.windows([work])] == ["a", "b"]
    following = work.finish(["A", "B"])
    assert isinstance(following, WorkItem)
    assert following.finish(["C"]) == "ABC"
    assert list(tasks.finish([tasks.stepwise(none())], [])) == ["done"]


def test_outputs_go_to_the_items_whose_windows_they_are_of() -> None:
    works = [WorkItem([Window(name, 1)] * count, "".join) for name, count in (("a", 2), ("b", 0), ("c", 1))]
    assert list(tasks.finish(works, ["1", "2", "3"])) == ["12", "", "3"]


def test_an_output_that_is_an_error_fails_its_item_only() -> None:
    def refuse(outputs: Sequence[str]) -> str:
        raise refused

    failed, refused = InvalidInput("output"), InvalidInput("finish")
    works = [WorkItem([Window("a", 1)] * 2, "".join), WorkItem([Window("b", 1)], refuse), WorkItem((), "".join)]
    assert list(tasks.finish(works, ["1", failed, "2"])) == [failed, refused, ""]


class Elsewhere(EchoEngine):
    """Works on two batches of one window at a time; each ends at once as `ends` says, or never."""

    concurrency, batch_tokens = 2, 1

    def __init__(self, ends: dict[str, Any]) -> None:
        super().__init__()
        self.ends, self.started = ends, dict[str, Future[Any]]()

    def submit(self, batch: Sequence[Window]) -> Future[Any]:
        (text,) = [window.tokens for window in batch]
        future = self.started[text] = Future()
        end = self.ends.get(text)
        if isinstance(end, Exception):
            future.set_exception(end)
        elif end is not None:
            future.set_result(end)
        return future


def test_outputs_that_are_there_stay_when_a_batch_fails() -> None:
    row_failed, failed = InvalidInput("this text"), ConnectionError("gone")
    engine = Elsewhere({"a": ["A"], "b": [row_failed], "c": failed})
    outputs = batching.forward_concurrently(engine, [Window(text, 1) for text in "abcd"], lambda: None, 0.01)
    assert outputs[:2] == ["A", row_failed]
    assert [output.error for output in outputs[2:]] == [failed, failed]
    assert all(future.done() for future in engine.started.values())


def test_what_is_still_under_way_ends_with_the_caller() -> None:
    def gone() -> None:
        raise InterruptedError

    engine = Elsewhere({})
    with pytest.raises(InterruptedError):
        batching.forward_concurrently(engine, [Window(text, 1) for text in "abc"], gone, 0.01)
    assert [future.cancelled() for future in engine.started.values()] == [True, True]


def test_at_least_one_result_is_taken() -> None:
    def slow() -> Generator[str, None, None]:
        for number in range(10):
            time.sleep(0.02)
            yield str(number)

    results = slow()
    assert tasks.take_for(results, 0.0) == ["0"]
    assert tasks.take_for(iter(["a", "b"]), 60) == ["a", "b"]
    assert tasks.take_for(iter([]), 60) == []


def test_every_task_is_a_module_with_prepare() -> None:
    import importlib.util

    for module in tasks.TASKS.values():
        assert importlib.util.find_spec(module), module
    assert callable(tasks.find("embedding").prepare)


def test_batches_keep_to_the_budget_and_the_order() -> None:
    batches: list[list[int]] = []

    def run(batch: Sequence[Window]) -> list[str]:
        batches.append([window.cost for window in batch])
        return [str(window.tokens).upper() for window in batch]

    costs = {"a": 9, "b": 2, "c": 3, "d": 30, "e": 3}
    windows = [Window(name, cost) for name, cost in costs.items()]
    assert batching.forward(run, windows, 10, lambda: None) == ["A", "B", "C", "D", "E"]
    assert batches == [[2, 3, 3], [9], [30]]


def test_unfinished_work_goes_on_first_and_each_batch_can_be_stopped() -> None:
    read: list[str] = []
    calls = []

    def run(batch: Sequence[Window]) -> list[Any]:
        read.extend(str(window.tokens) for window in batch)
        return [Window(window.tokens - 1, 1) if window.tokens else "end" for window in batch]

    assert batching.forward(run, [Window(2, 1), Window(0, 5)], 5, lambda: calls.append(1)) == ["end", "end"]
    assert read == ["2", "1", "0", "0"]
    assert len(calls) == 4


def test_texts_are_embedded_by_their_first_window() -> None:
    found = batching.embed(EchoEngine(window=10), ["a rose", "0123456789 and more"])
    assert found == pytest.approx(np.asarray([vector("a rose"), vector("0123456789")]), abs=1e-6)


def test_values_are_kept_for_a_model_and_go_with_it() -> None:
    cache, model = ModelScopedCache(), EchoEngine()
    computed: list[int] = []

    def value(options: Any, number: int, of: EchoEngine) -> int:
        def compute() -> int:
            computed.append(number)
            return number

        return int(cache.get(of, options, compute))

    assert [value(["a"], 1, model), value(["a"], 2, model), value(["b"], 3, model)] == [1, 1, 3]
    assert value(["a"], 4, EchoEngine()) == 4
    for number in range(100, 170):
        value(number, number, model)
    assert value(["a"], 5, model) == 5
    del model
    gc.collect()
    assert len(cache._values) == 0


def test_logits_become_probabilities_without_overflow() -> None:
    assert probability.softmax(np.asarray([[1000.0, 1000.0], [0.0, -1000.0]])).tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert probability.sigmoid([0.0, 1000.0, -1000.0]).tolist() == [0.5, 1.0, 0.0]


def test_vectors_from_elsewhere_are_waited_for_only_while_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Event()
    monkeypatch.setattr(worker_process.caller, "gone", gone)
    assert batching.embed(Elsewhere({"a": [[1.0]], "b": [[2.0]]}), ["a", "b"]).tolist() == [[1], [2]]
    for end, raised in ((InvalidInput("this text"), InvalidInput), ([InvalidInput("this text")], InvalidInput)):
        with pytest.raises(raised, match="this text"):
            batching.embed(Elsewhere({"a": end}), ["a"])
    engine = Elsewhere({})
    gone.set()
    with pytest.raises(worker_process.Abandoned):
        batching.embed(engine, ["a"])
    assert engine.started["a"].cancelled()
