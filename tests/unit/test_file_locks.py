"""Locks on files and folders."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from pg_llm import file_locks


def test_a_lock_is_held_until_it_is_closed(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "file"):
        held = file_locks.acquire(path)
        with pytest.raises(BlockingIOError):
            file_locks.acquire(path)
        os.close(held)
        os.close(file_locks.acquire(path))


def test_a_block_waits_for_the_holder(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with file_locks.exclusive(tmp_path):
            order.append("second")

    with file_locks.exclusive(tmp_path):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.1)
        order.append("first")
    waiting.join(20)
    assert order == ["first", "second"]
