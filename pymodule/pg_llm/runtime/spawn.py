"""Connecting a backend to the model host, which is started if it does not run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pg_llm import protocol
from pg_llm.errors import HostUnavailable, resource_error
from pg_llm.installation import OPENMP_ENV, PACKAGE, installation
from pg_llm.runtime import lock

if TYPE_CHECKING:
    from subprocess import Popen

# Seconds within which the host must accept connections.
_START_TIMEOUT = 60.0
_SLICE = 0.01
# Starts that may fail in a row: killed from outside, or short of memory.
_MAX_STARTS = 5

# Fewer arenas of glibc's malloc: each keeps the memory that its threads once used.
_MALLOC_ENV = {"MALLOC_ARENA_MAX": "2"}

Poll = Callable[[], object]


def connect(poll: Poll) -> socket.socket | None:
    """A connection to the host, or None if none is running; `poll` is called while waiting and may raise.

    A host whose heartbeat has stopped is killed.
    """
    watch = lock.Watch()
    while True:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A host that accepts nothing may have a full backlog, and connect() would block.
        channel.setblocking(False)
        try:
            channel.connect(protocol.SOCKET)
        except (FileNotFoundError, ConnectionRefusedError):
            channel.close()
            return None
        except BlockingIOError:
            channel.close()
        except OSError as error:
            channel.close()
            raise HostUnavailable(f"cannot connect to the model host: {error}") from error
        else:
            return channel
        _pause(poll)
        _kill_if_frozen(watch)


def is_served() -> bool:
    """Whether some process listens on the socket, even if it accepts nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.setblocking(False)
        try:
            channel.connect(protocol.SOCKET)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:
            pass
    return True


def ensure(poll: Poll) -> socket.socket:
    """A connection to the host, which is started if need be; `poll` is called while waiting and may raise.

    Raises HostUnavailable.
    """
    if channel := connect(poll):
        return channel
    watch, starts, since = lock.Watch(), 0, time.monotonic()
    starting: Popen[bytes] | None = None
    with _start_lock() as acquire:
        # The process that had the lock before may have started it.
        while (channel := connect(poll)) is None:
            if starting and starting.poll() is not None:
                _raise_failure(starting)
                starting = None
            if starting is None and lock.holder() is None and acquire():
                if starts == _MAX_STARTS:
                    raise HostUnavailable(
                        f"the model host ended {starts} times while it started",
                        hint="pg_llm/host.log says more, or the kernel's log where memory ran out.",
                    )
                starts, since, starting = starts + 1, time.monotonic(), _start()
            elif _kill_if_frozen(watch):
                since = time.monotonic()
            elif time.monotonic() - since > _START_TIMEOUT:
                if starting:
                    starting.kill()
                raise HostUnavailable(f"the model host did not start within {_START_TIMEOUT:.0f} seconds")
            _pause(poll)
    if starting:
        _reap(starting, poll)
    return channel


def _kill_if_frozen(watch: lock.Watch) -> bool:
    """Kill a host whose heartbeat has stopped."""
    pid = lock.holder() if watch.stopped() else None
    if pid:
        lock.end(pid)
    return pid is not None


def _start() -> Popen[bytes]:
    """A process that exits once a host listens. Raises HostUnavailable.

    If the caller is interrupted meanwhile, the host goes on starting, for the next caller.
    """
    # Imported here, as a backend that finds the host running does not need it.
    import subprocess

    python = installation().python
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
    command = [python, "-m", "pg_llm.runtime", "--detach", "--data-directory", os.getcwd()]
    try:
        return subprocess.Popen(
            command,
            env={**OPENMP_ENV, **_MALLOC_ENV, **environment, "PYTHONPATH": str(PACKAGE.parent)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise HostUnavailable(
            f'cannot start the model host with "{python}": {error}', hint="Install pg_llm again: ./run setup"
        ) from error


def _raise_failure(process: Popen[bytes]) -> None:
    """Raise the error of a process that failed to start a host; one that was killed may be started again."""
    assert process.stderr is not None
    with process.stderr:
        # A killed process is not read from: its child may still hold the pipe open.
        output = process.stderr.read().decode(errors="replace").strip() if process.returncode > 0 else ""
    if process.returncode > 0:
        last = output.splitlines()[-1] if output else f"exit status {process.returncode}"
        raise resource_error(last) or HostUnavailable(f"the model host did not start: {last}")


def _reap(starting: Popen[bytes], poll: Poll) -> None:
    """Wait for the process that started the host to exit, so that no zombie is left."""
    until = time.monotonic() + 1
    while starting.poll() is None and time.monotonic() < until:
        _pause(poll)
    assert starting.stderr is not None
    starting.stderr.close()


@contextlib.contextmanager
def _start_lock() -> Iterator[Callable[[], bool]]:
    """A function that tries to take the lock for starting the host; the lock ends with the block or the process."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(protocol.FOLDER, 0o700)
    descriptor = os.open(f"{protocol.FOLDER}/spawn.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def acquire() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        yield acquire
    finally:
        os.close(descriptor)


def _pause(poll: Poll) -> None:
    poll()
    time.sleep(_SLICE)
