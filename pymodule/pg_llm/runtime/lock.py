"""The host's lock file: its holder is the cluster's host, and its modification time is the host's heartbeat.

A POSIX record lock, as the kernel says which process holds it, and releases it when that process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import time
from collections.abc import Callable

from pg_llm import protocol, settings

# Seconds between two heartbeats.
BEAT = 1.0
# The kernel's struct flock: type, whence, start, length, process.
_FLOCK = struct.Struct("hhqqi0q")


def acquire(timeout: float) -> int | None:
    """A descriptor that holds the lock, or None if another process does; waiting processes read `timeout` from it."""
    descriptor = os.open(protocol.LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{timeout}\n".encode(), 0)
    return descriptor


def is_in_place(descriptor: int) -> bool:
    """Whether the path still leads to the file whose lock this process holds."""
    return _identity(protocol.LOCK) == (os.fstat(descriptor).st_dev, os.fstat(descriptor).st_ino)


def beat(descriptor: int) -> None:
    """Send a heartbeat."""
    os.utime(descriptor)


def holder() -> int | None:
    """The process id of the host, or None if there is none."""
    try:
        descriptor = os.open(protocol.LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        request = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        conflicting = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, request))
    finally:
        os.close(descriptor)
    # The kernel reports 0 for a process of another PID namespace (container).
    return (conflicting[4] or None) if conflicting[0] != fcntl.F_UNLCK else None


def end(pid: int) -> None:
    """Kill the process if it is this cluster's host."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Checked after opening, so that the pid cannot be reused between check and kill.
        if _is_host(pid):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
    finally:
        os.close(process)


def _is_host(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().split(b"\0")
        return b"pg_llm.runtime" in command and os.path.samefile(f"/proc/{pid}/cwd", ".")
    except OSError:
        return False


class Watch:
    """Detects, while a process waits for the host, that its heartbeat has stopped for `llm.host_timeout`.

    Only time spent watching counts, so that a changed clock or a suspended machine is not taken for a frozen host.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = _last_beat()
        self._watched = clock()
        self.silence = 0.0

    def stopped(self) -> bool:
        """Whether the heartbeat has stopped for longer than the timeout."""
        now, beat = self._clock(), _last_beat()
        self.silence = self.silence + min(now - self._watched, BEAT) if beat == self._beat else 0.0
        self._watched, self._beat = now, beat
        return self.silence > BEAT and self.silence > _timeout()


def _timeout() -> float:
    """The host's configured timeout: a session's own setting must not end a host that all sessions share."""
    try:
        with open(protocol.LOCK, encoding="ascii") as file:
            return float(file.readline())
    except (OSError, ValueError):
        return settings.seconds("llm.host_timeout", None)


def _last_beat() -> int:
    try:
        return os.stat(protocol.LOCK).st_mtime_ns
    except OSError:
        return 0


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
