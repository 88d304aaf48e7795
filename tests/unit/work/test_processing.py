"""Which rows are done, put back or given up, on a queue that lies in a list."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from fake_connection import SUPERUSER, Call, FakeConnection
from pg_llm.database.connection import DatabaseError
from pg_llm.errors import ConcurrentChange, EndpointFailed, HostLost, HostUnavailable, InvalidInput
from pg_llm.work import processing
from pg_llm.work.processing import Count


@dataclass
class FakeQueue:
    """Requests by their number; what is put back is due no more."""

    db: FakeConnection
    waiting: dict[int, str | None]
    released: list[tuple[int, int, str | None, float]] = field(default_factory=list)
    singled_out: list[tuple[int, str]] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for silent in (
            "pg_stat_clear_snapshot",
            "lock_timeout",
            "state = 'delayed', claimed_by = NULL",
            "WITH RECURSIVE object",
        ):
            self.db.answer(silent)
        self.db.answer("pg_extension WHERE extname = 'pg_llm'", [{"owner": SUPERUSER}])
        self.db.answer("FROM llm.companion_table AS s JOIN pg_class", self.due)
        self.db.answer("WITH due AS", self.claim)
        self.db.answer("DELETE FROM llm.all_work WHERE id", self.finish)
        self.db.answer("attempts = least(w.attempts + $2", self.release)
        self.db.answer("losses = w.losses + 1", self.single_out)
        self.db.answer("UPDATE llm.all_worker")

    def due(self, call: Call) -> list[dict[str, object]]:
        return [{"kind": "index", "object": 7}] if self.waiting and "index" in call.values[1] else []

    def claim(self, call: Call) -> list[dict[str, object]]:
        kind, number, all_rows, limit, is_lost = call.values
        if is_lost:
            return []
        assert (kind, number) == ("index", 7)
        taken = [item for item in self.waiting.items() if (item[1] is None) == all_rows][:limit]
        self.claims += [len(taken)] if taken else []
        return [{"id": id, "key": key} for id, key in taken]

    def finish(self, call: Call) -> list[dict[str, object]]:
        for id in call.values[0]:
            del self.waiting[id]
        return []

    def release(self, call: Call) -> list[dict[str, object]]:
        ids, attempts, error, _, seconds, _ = call.values
        for id in ids:
            del self.waiting[id]
            self.released.append((id, attempts, error, seconds))
        return []

    def single_out(self, call: Call) -> list[dict[str, object]]:
        ids, error, _ = call.values
        for id in ids:
            del self.waiting[id]
            self.singled_out.append((id, error))
        return []


Handler = Callable[[Sequence[int]], None]


@pytest.fixture
def run(db: FakeConnection) -> Callable[..., tuple[Count, FakeQueue]]:
    """Does the work of so many rows by a handler of their numbers."""

    def do(handler: Handler, rows: int, max_rows: int | None = None) -> tuple[Count, FakeQueue]:
        queue = FakeQueue(db, {n: json.dumps({"id": n}) for n in range(1, rows + 1)})

        def process(_: object, number: int, keys: str) -> None:
            assert number == 7
            handler([key["id"] for key in json.loads(keys)])

        return processing.run(db, {"index": process}, max_rows), queue

    return do


def failing(*numbers: int, error: Exception) -> Handler:
    def handler(given: Sequence[int]) -> None:
        if set(given) & set(numbers):
            raise error

    return handler


def test_batches_grow_while_they_are_fast(run: Callable[..., tuple[Count, FakeQueue]]) -> None:
    count, queue = run(lambda given: None, 1000)
    assert (count.done, count.failed, queue.waiting) == (1000, 0, {})
    assert queue.claims == [32, 64, 128, 256, 256, 256, 8]


def test_batches_shrink_where_they_are_slow(
    run: Callable[..., tuple[Count, FakeQueue]], monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter(range(0, 100_000, 10))
    monkeypatch.setattr(processing.time, "monotonic", lambda: float(next(moments)))
    _, queue = run(lambda given: None, 60)
    assert queue.claims == [32, 16, 8, 4]


def test_at_most_so_many_rows(run: Callable[..., tuple[Count, FakeQueue]]) -> None:
    count, queue = run(lambda given: None, 1000, 40)
    assert count.done == 40
    assert queue.claims == [32, 8]


def test_only_the_rows_that_fail_are_put_back(run: Callable[..., tuple[Count, FakeQueue]]) -> None:
    count, queue = run(failing(3, 17, error=InvalidInput("bad")), 32)
    assert (count.done, count.failed) == (30, 2)
    assert [(id, attempts, error) for id, attempts, error, _ in queue.released] == [(3, 1, "bad"), (17, 1, "bad")]


def test_a_defect_holds_up_no_other_row(run: Callable[..., tuple[Count, FakeQueue]]) -> None:
    count, queue = run(failing(5, error=ValueError("oops")), 8)
    assert (count.done, count.failed) == (7, 1)
    assert queue.released[0][:3] == (5, 1, "ValueError: oops")


def test_without_a_host_nothing_is_tried_row_by_row(run: Callable[..., tuple[Count, FakeQueue]]) -> None:
    calls = []

    def handler(given: Sequence[int]) -> None:
        calls.append(len(given))
        raise HostUnavailable("no host")

    count, queue = run(handler, 30)
    assert (count.done, count.failed, calls) == (0, 30, [30])
    assert {(attempts, error, seconds) for _, attempts, error, seconds in queue.released} == {(0, "no host", 30.0)}


def test_an_endpoint_that_fails_is_asked_for_some_rows_only(run: Callable[..., tuple[Count, FakeQueue]]) -> None:
    singles = []

    def handler(given: Sequence[int]) -> None:
        singles.append(len(given) == 1)
        raise EndpointFailed("gone")

    count, queue = run(handler, 32)
    assert count.failed == 32
    assert sum(attempts for _, attempts, _, _ in queue.released) == 3
    assert sum(singles) <= 4


def test_rows_that_others_write_are_no_failure(run: Callable[..., tuple[Count, FakeQueue]]) -> None:
    count, queue = run(failing(2, error=ConcurrentChange("busy")), 4)
    assert (count.done, count.failed) == (3, 0)
    assert queue.released == [(2, 0, None, 0.5)]


def test_a_cancel_ends_the_call_and_counts_as_no_attempt(run: Callable[..., tuple[Count, FakeQueue]]) -> None:
    with pytest.raises(DatabaseError, match="cancelled"):
        run(failing(1, error=DatabaseError("cancelled", "57014")), 4)


def test_all_rows_are_one_request(db: FakeConnection) -> None:
    given = []
    FakeQueue(db, {1: None, 2: '{"id": 1}'})
    assert processing.run(db, {"index": lambda db, number, keys: given.append(keys)}, None).done == 2
    assert given == ["null", '[{"id": 1}]']


def test_a_kind_without_a_handler_is_left(db: FakeConnection) -> None:
    queue = FakeQueue(db, {1: None})
    assert processing.run(db, {}, None).total == 0
    assert queue.waiting == {1: None}


def test_rows_over_which_the_host_died_are_tried_alone(run: Callable[..., tuple[Count, FakeQueue]]) -> None:
    """No halving, as each half would end the host twice; one that is alone has failed."""
    count, queue = run(failing(3, error=HostLost("gone")), 4)
    assert (count.done, count.failed) == (0, 4)
    assert queue.singled_out == [(1, "gone"), (2, "gone"), (3, "gone"), (4, "gone")]
    count, queue = run(failing(1, error=HostLost("gone")), 1)
    assert [release[:3] for release in queue.released] == [(1, 1, "gone")]


def test_a_request_for_all_rows_is_not_blamed_for_the_host(db: FakeConnection) -> None:
    def process(_: object, number: int, keys: str) -> None:
        raise HostLost("gone")

    queue = FakeQueue(db, {1: None})
    assert processing.run(db, {"index": process}, None).failed == 1
    assert [release[:3] for release in queue.released] == [(1, 0, "gone")]
