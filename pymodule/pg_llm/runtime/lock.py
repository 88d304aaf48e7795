"""The lock file: whoever holds it is the cluster's host. Its time of change is the host's heartbeat.

A POSIX record lock, as the kernel tells everybody which process holds it, and only while that process lives.
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
    """A descriptor that holds the lock, or None where another process does; `timeout` is told to whoever waits."""
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
    """Whether the lock file that others see is the one that this process holds."""
    return _identity(protocol.LOCK) == (os.fstat(descriptor).st_dev, os.fstat(descriptor).st_ino)


def beat(descriptor: int) -> None:
    """Show that the host is alive."""
    os.utime(descriptor)


def holder() -> int | None:
    """The process that is the host, or None where there is none."""
    try:
        descriptor = os.open(protocol.LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        found = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    # A process of another container has no number here.
    return (found[4] or None) if found[0] != fcntl.F_UNLCK else None


def end(pid: int) -> None:
    """Kill the host, if this process is one of this cluster."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Opened before: what the descriptor stands for cannot be another process that has come by the number since.
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
    """Whoever waits for the host notices when its heartbeat has stopped for `llm.host_timeout`.

    Only time spent watching counts, so that neither a clock that is set nor a machine that slept looks like it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = _last_beat()
        self._watched = clock()
        self.still = 0.0

    def stopped(self) -> bool:
        """Whether the heartbeat has stopped for so long."""
        now, beat = self._clock(), _last_beat()
        self.still = self.still + min(now - self._watched, BEAT) if beat == self._beat else 0.0
        self._watched, self._beat = now, beat
        return self.still > BEAT and self.still > _timeout()


def _timeout() -> float:
    """What the host was configured with: a session's own setting must not end what others share."""
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
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
