import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Window
from pg_llm.runtime.scheduler import ModelQueue
from pg_llm.tasks.batching import BatchFailed

_COSTS = st.lists(st.integers(1, 80), max_size=30)
_SESSIONS = st.lists(_COSTS, min_size=1, max_size=5)
_BUDGET = 64


class Engine:
    """Answers every unit with its name and keeps the batches; waits at `gate` before each."""

    task, engine, device, bytes, batch_tokens = "embedding", "echo", "echo", 0, _BUDGET

    def __init__(self, broken: str | None = None) -> None:
        self.details: dict[str, Any] = {}
        self.batches: list[list[Window]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._broken = broken

    def forward(self, batch: Sequence[Window]) -> list[str]:
        assert self.gate.wait(10)
        self.batches.append(list(batch))
        names = [str(item.tokens) for item in batch]
        if self._broken in names:
            raise ValueError(f"cannot run {self._broken}")
        return [name.upper() for name in names]


def _units(name: str, costs: Sequence[int]) -> list[Window]:
    return [Window(f"{name}{position}", cost) for position, cost in enumerate(costs)]


def _wait(work: Coroutine[Any, Any, Any]) -> Any:
    # A queue that hangs fails its test instead of the whole run.
    return asyncio.run(asyncio.wait_for(work, 20))


def _submit_all(engine: Engine, sessions: Sequence[Sequence[Window]]) -> list[list[str]]:
    async def work() -> list[list[str]]:
        queue = ModelQueue.of(engine, lambda: engine)
        found = await asyncio.gather(*(queue.submit(number, units) for number, units in enumerate(sessions)))
        assert len(queue) == 0
        return found

    return _wait(work())


def _padded(batch: Sequence[Window]) -> int:
    return max(item.cost for item in batch) * len(batch)


@given(_SESSIONS)
def test_every_session_gets_its_own_results_in_order(costs: list[list[int]]) -> None:
    sessions = [_units(name, given_costs) for name, given_costs in zip("abcde", costs, strict=False)]
    found = _submit_all(Engine(), sessions)
    assert found == [[str(unit.tokens).upper() for unit in units] for units in sessions]


@given(_SESSIONS)
def test_a_batch_stays_within_the_budget_and_every_unit_runs_once(costs: list[list[int]]) -> None:
    sessions = [_units(name, given_costs) for name, given_costs in zip("abcde", costs, strict=False)]
    engine = Engine()
    _submit_all(engine, sessions)
    assert all(len(batch) == 1 or _padded(batch) <= _BUDGET for batch in engine.batches)
    ran = sorted(str(unit.tokens) for batch in engine.batches for unit in batch)
    assert ran == sorted(str(unit.tokens) for units in sessions for unit in units)


@given(_COSTS)
def test_one_session_is_served_shortest_first_in_full_batches(costs: list[int]) -> None:
    engine = Engine()
    _submit_all(engine, [_units("a", costs)])
    assert [unit.cost for batch in engine.batches for unit in batch] == sorted(costs)
    for batch, following in zip(engine.batches, engine.batches[1:], strict=False):
        assert following[0].cost * (len(batch) + 1) > _BUDGET


@given(_COSTS, _COSTS)
def test_nobody_pays_for_anothers_padding(first: list[int], second: list[int]) -> None:
    engine = Engine()
    _submit_all(engine, [_units("a", first), _units("b", second)])
    for batch in engine.batches:
        by_session = [[unit.cost for unit in batch if str(unit.tokens).startswith(name)] for name in "ab"]
        longest = {max(costs) for costs in by_session if costs}
        # Whoever opened the batch has its longest unit.
        opened = str(batch[0].tokens)[0]
        assert max(longest) == max(by_session["ab".index(opened)])


def test_a_single_text_waits_for_one_batch_of_ten_thousand() -> None:
    async def work() -> int:
        engine = Engine()
        engine.gate.clear()
        queue = ModelQueue.of(engine, lambda: engine)
        bulk = asyncio.create_task(queue.submit(1, _units("bulk", [8] * 10_000)))
        await asyncio.sleep(0)
        # The longest there is: it fits into nobody else's batch.
        single = asyncio.create_task(queue.submit(2, _units("single", [_BUDGET])))
        await asyncio.sleep(0)
        engine.gate.set()
        assert await single == ["SINGLE0"]
        ran = next(n for n, batch in enumerate(engine.batches) if any(u.tokens == "single0" for u in batch))
        assert len(await bulk) == 10_000
        return ran

    assert _wait(work()) <= 2


def test_short_texts_of_others_fill_what_a_batch_leaves() -> None:
    engine = Engine()
    _submit_all(engine, [_units("a", [16, 16]), _units("b", [4, 4])])
    assert [[unit.tokens for unit in batch] for batch in engine.batches] == [["a0", "a1", "b0", "b1"]]


@given(st.lists(st.integers(1, 20), min_size=2, max_size=6))
def test_each_waiting_session_opens_a_batch_before_anyone_opens_a_third(counts: list[int]) -> None:
    # Every unit fills a batch, so that the batches show the turns.
    engine = Engine()
    _submit_all(engine, [_units(name, [_BUDGET] * count) for name, count in zip("abcdef", counts, strict=False)])
    opened = [str(batch[0].tokens)[0] for batch in engine.batches]
    for turn in range(1, len(opened)):
        waiting = [name for name, count in zip("abcdef", counts, strict=False) if opened[:turn].count(name) < count]
        served = [opened[:turn].count(name) for name in waiting]
        assert not served or opened[:turn].count(opened[turn]) <= min(served) + 1


def test_cancel_drops_what_a_session_waits_for_and_nothing_else() -> None:
    async def work() -> Engine:
        engine = Engine()
        engine.gate.clear()
        queue = ModelQueue.of(engine, lambda: engine)
        leaving = asyncio.create_task(queue.submit(1, _units("a", [_BUDGET] * 50)))
        staying = asyncio.create_task(queue.submit(2, _units("b", [_BUDGET] * 2)))
        await asyncio.sleep(0.01)
        queue.cancel(1)
        assert len(queue) <= 2
        queue.cancel(3)
        engine.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert await staying == ["B0", "B1"]
        assert await queue.submit(1, _units("c", [1])) == ["C0"]
        return engine

    # At most the batch that was running when the session left.
    assert sum(unit.tokens[0] == "a" for batch in _wait(work()).batches for unit in batch) <= 1


def test_a_batch_that_fails_fails_its_jobs_only() -> None:
    async def work() -> Engine:
        engine = Engine(broken="bad0")
        queue = ModelQueue.of(engine, lambda: engine)
        jobs = [
            queue.submit(1, [*_units("bad", [_BUDGET]), *_units("late", [_BUDGET + 1] * 5)]),
            queue.submit(2, _units("good", [_BUDGET] * 3)),
            queue.submit(1, _units("other", [_BUDGET] * 2)),
        ]
        failed, good, other = await asyncio.gather(*jobs)
        assert all(isinstance(output, BatchFailed) and isinstance(output.error, ValueError) for output in failed)
        assert good == ["GOOD0", "GOOD1", "GOOD2"]
        assert other == ["OTHER0", "OTHER1"]
        assert len(queue) == 0
        assert await queue.submit(3, _units("after", [1])) == ["AFTER0"]
        return engine

    assert not any(str(unit.tokens).startswith("late") for batch in _wait(work()).batches for unit in batch)


def test_nothing_asked_nothing_run() -> None:
    engine = Engine()
    assert _submit_all(engine, [[]]) == [[]]
    assert engine.batches == []


class Slow(Engine):
    """Finishes a unit named a3 in three batches."""

    def forward(self, batch: Sequence[Window]) -> list[Any]:
        super().forward(batch)
        return [
            str(unit.tokens).upper()
            if unit.tokens.endswith("1")
            else Window(f"{unit.tokens[:-1]}{int(unit.tokens[-1]) - 1}", unit.cost)
            for unit in batch
        ]


def test_what_is_not_finished_goes_on_and_others_get_their_turn() -> None:
    engine = Slow()
    found = _submit_all(engine, [[Window("a3", 60), Window("b3", 60)], [Window("c1", 60)]])
    assert found == [["A1", "B1"], ["C1"]]
    names = [[unit.tokens for unit in batch] for batch in engine.batches]
    # The second session waits for one batch; the first one's second text for its first to be done.
    assert names == [["a3"], ["c1"], ["a2"], ["a1"], ["b3"], ["b2"], ["b1"]]


def test_what_is_not_finished_is_dropped_with_its_session() -> None:
    engine = Slow()
    engine.gate.clear()

    async def work() -> None:
        queue = ModelQueue.of(engine, lambda: engine)
        waiting = asyncio.create_task(queue.submit(1, [Window("a9", 1)]))
        await asyncio.sleep(0.05)
        waiting.cancel()
        queue.cancel(1)
        engine.gate.set()
        assert await queue.submit(2, [Window("b1", 1)]) == ["B1"]
        assert len(queue) == 0

    _wait(work())
    assert [[unit.tokens for unit in batch] for batch in engine.batches] == [["a9"], ["b1"]]


class Elsewhere(Engine):
    """Works on up to three batches of one unit at a time, each until its future is set."""

    batch_tokens, concurrency = 1, 3

    def __init__(self) -> None:
        super().__init__()
        self.started: dict[str, Future[Sequence[Any]]] = {}

    def submit(self, batch: Sequence[Window]) -> Future[Sequence[Any]]:
        (unit,) = batch
        return self.started.setdefault(unit.tokens, Future())


def test_batches_of_an_engine_elsewhere_run_side_by_side_and_end_with_their_session() -> None:
    async def work() -> None:
        engine = Elsewhere()
        queue = ModelQueue.of(engine, lambda: engine)
        leaving = asyncio.create_task(queue.submit(1, _units("a", [1] * 4)))
        await asyncio.sleep(0.01)
        staying = asyncio.create_task(queue.submit(2, _units("b", [1])))
        await asyncio.sleep(0.01)
        assert list(engine.started) == ["a0", "a1", "a2"]
        engine.started["a1"].set_result(["A1"])
        await asyncio.sleep(0.01)
        queue.cancel(1)
        await asyncio.sleep(0.01)
        assert engine.started["a0"].cancelled()
        assert engine.started["a2"].cancelled()
        engine.started["b0"].set_result(["B0"])
        assert await staying == ["B0"]
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert len(queue) == 0

    _wait(work())


def test_outputs_that_are_there_stay_when_a_later_batch_fails() -> None:
    async def work() -> None:
        engine = Elsewhere()
        outputs = asyncio.create_task(ModelQueue.of(engine, lambda: engine).submit(1, _units("a", [1] * 3)))
        await asyncio.sleep(0.01)
        row_failed, failed = InvalidInput("this text"), ConnectionError("gone")
        engine.started["a0"].set_result(["A0"])
        engine.started["a1"].set_result([row_failed])
        engine.started["a2"].set_exception(failed)
        first, second, third = await outputs
        assert (first, second, third.error) == ("A0", row_failed, failed)

    _wait(work())


def test_an_engine_elsewhere_that_cannot_even_start_fails_its_job() -> None:
    async def work() -> None:
        engine = Elsewhere()
        engine.submit = lambda batch: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        (failed,) = await ModelQueue.of(engine, lambda: engine).submit(1, _units("a", [1]))
        assert isinstance(failed, BatchFailed)
        assert isinstance(failed.error, ZeroDivisionError)

    _wait(work())


def test_an_error_of_several_sessions_repeats_no_text() -> None:
    async def work(sessions: int) -> list[str]:
        engine = Engine("a0")
        queue = ModelQueue.of(engine, lambda: engine)
        outputs = await asyncio.gather(*(queue.submit(n, _units("ab"[n], [4])) for n in range(sessions)))
        return [str(output) for (output,) in outputs]

    assert _wait(work(1)) == ["cannot run a0"]
    assert _wait(work(2)) == ["the model failed with ValueError for texts of several sessions at once"] * 2
