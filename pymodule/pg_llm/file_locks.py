"""Locks on files and folders that end with the process that holds them, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def acquire(path: Path, *, wait: bool = False) -> int:
    """A descriptor that holds the lock of a folder, or of a file that is made, until it is closed.

    Raises BlockingIOError where another process holds it and this one does not wait.
    """
    kind = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_CREAT | os.O_RDWR
    descriptor = os.open(path, kind | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Nobody else who asks for this lock goes on meanwhile."""
    held = acquire(path, wait=True)
    try:
        yield
    finally:
        os.close(held)
