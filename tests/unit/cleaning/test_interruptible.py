from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st
from pg_llm.cleaning import interruptible
from pg_llm.cleaning.column_store import ColumnStore, is_quantity, parse_number


@given(st.lists(st.integers(), max_size=50), st.integers(1, 7))
def test_chunks_hold_all_items_in_order(items: list[int], size: int) -> None:
    chunks = list(interruptible.chunks(items, size))
    assert [item for chunk in chunks for item in chunk] == items
    assert all(1 <= len(chunk) <= size for chunk in chunks)


@given(st.lists(st.floats(allow_nan=False), max_size=200))
def test_numbers_come_in_order(numbers: list[float]) -> None:
    assert list(interruptible.sort_interruptibly(numbers, lambda: None)) == sorted(numbers)


def test_a_poll_comes_every_few_items() -> None:
    polls: list[int] = []
    assert list(interruptible.interruptible(range(100), lambda: polls.append(1))) == list(range(100))
    assert len(polls) == 3


def test_a_throttled_poll_skips_calls() -> None:
    polls: list[int] = []
    poll = interruptible.throttled(lambda: polls.append(1))
    for _ in range(1000):
        poll()
    assert 1 <= len(polls) < 100


def test_garbage_is_collected_again_afterwards() -> None:
    assert gc.isenabled()
    with interruptible.garbage_collection_paused():
        assert not gc.isenabled()
        with interruptible.garbage_collection_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_quantities_and_numbers() -> None:
    assert [value for value in ("12", "-3.5", "2024-01-01", "a1", "", "kg") if is_quantity(value)] == [
        "12",
        "-3.5",
        "2024-01-01",
    ]
    assert not is_quantity("1" * 300)
    assert parse_number("1e3") == 1000
    assert parse_number("x") is None
    assert parse_number("1" * 300) is None


def test_a_column_store_counts() -> None:
    store = ColumnStore(["a", "b"], [["1", "2", None, ""], ["x", "x", "y", "z"]])
    assert store.row_count == 4
    assert store.filled_count(0) == 2
    assert store.quantities == [True, False]
    assert not store.is_key(1)
    assert ColumnStore([], []).row_count == 0
