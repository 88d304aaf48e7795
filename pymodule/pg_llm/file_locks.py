"""Locks on files and folders, which the kernel releases when their process ends (flock)."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def acquire(path: Path, *, wait: bool = False) -> int:
    """A descriptor that holds the lock of a folder, or of a file that is created, until it is closed.

    Raises BlockingIOError if another process holds it and this one does not wait.
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
    """Hold the lock while the block runs; waits for other holders."""
    descriptor = acquire(path, wait=True)
    try:
        yield
    finally:
        os.close(descriptor)
