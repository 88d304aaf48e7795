from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st
from pg_llm.cleaning import interruptible
from pg_llm.cleaning.host.table import Column, Table, encode, is_quantity, parse_number


@given(st.lists(st.integers(), max_size=50), st.integers(1, 7))
def test_chunks_hold_all_items_in_order(items: list[int], size: int) -> None:
    chunks = list(interruptible.chunks(items, size))
    assert [item for chunk in chunks for item in chunk] == items
    assert all(1 <= len(chunk) <= size for chunk in chunks)


def test_a_poll_comes_every_few_items() -> None:
    polls: list[int] = []
    assert list(interruptible.interruptible(range(100), lambda: polls.append(1))) == list(range(100))
    assert len(polls) == 3


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


def test_a_column_counts() -> None:
    a, b = Column("a", *encode(["1", "2", None, ""])), Column("b", *encode(["x", "x", "y", "z"]))
    assert (a.filled, a.distinct, a.missing, a.quantities) == (2, 2, None, True)
    assert (b.filled, b.distinct, b.is_key, b.quantities) == (4, 3, False, False)
    assert b.rows_with("x").tolist() == [0, 1]
    assert [a.value(row) for row in range(4)] == ["1", "2", "", ""]
    assert [a.original(row) for row in range(4)] == ["1", "2", None, ""]
    assert Column("c", *encode(["", None, "x"])).missing == ""
    assert Table([]).row_count == 0
