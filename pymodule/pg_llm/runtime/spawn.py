"""Finding the model host from a backend, and starting it."""

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

_PATIENCE = 60.0
_SLICE = 0.01
# Times that it may end while it starts: killed from outside, or short of memory.
_MOST_STARTS = 5

# Each pool of freed memory that threads have of their own keeps what it once held.
_FRUGAL = {"MALLOC_ARENA_MAX": "2"}

Poll = Callable[[], object]


def connect(poll: Poll) -> socket.socket | None:
    """A connection to the host, or None where none is running; `poll` is called while waiting and may raise.

    One that has stood still for too long is ended.
    """
    watch = lock.Watch()
    while True:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Where nobody accepts, the line of those who wait may be full.
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
        _end_if_stopped(watch)


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
    with _turn() as is_mine:
        # Whoever had the turn before may have started it.
        while (channel := connect(poll)) is None:
            if starting and starting.poll() is not None:
                _check(starting)
                starting = None
            if starting is None and lock.holder() is None and is_mine():
                if starts == _MOST_STARTS:
                    raise HostUnavailable(
                        f"the model host ended {starts} times while it started",
                        hint="pg_llm/host.log says more, or the kernel's log where memory ran out.",
                    )
                starts, since, starting = starts + 1, time.monotonic(), _start()
            elif _end_if_stopped(watch):
                since = time.monotonic()
            elif time.monotonic() - since > _PATIENCE:
                if starting:
                    starting.kill()
                raise HostUnavailable(f"the model host did not start within {_PATIENCE:.0f} seconds")
            _pause(poll)
    if starting:
        _reap(starting, poll)
    return channel


def _end_if_stopped(watch: lock.Watch) -> bool:
    """End a host that has neither begun to listen, nor noticed that its socket is gone."""
    pid = lock.holder() if watch.stopped() else None
    if pid:
        lock.end(pid)
    return pid is not None


def _start() -> Popen[bytes]:
    """A process that ends once the host listens, or another does. Raises HostUnavailable.

    Who is interrupted meanwhile leaves it starting: whoever asks next finds it.
    """
    # Imported here: a backend that finds the host running never needs it.
    import subprocess

    python = installation().python
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
    command = [python, "-m", "pg_llm.runtime", "--detach", "--data-directory", os.getcwd()]
    try:
        return subprocess.Popen(
            command,
            env={**OPENMP_ENV, **_FRUGAL, **environment, "PYTHONPATH": str(PACKAGE.parent)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise HostUnavailable(
            f'cannot start the model host with "{python}": {error}', hint="Install pg_llm again: ./run setup"
        ) from error


def _check(ended: Popen[bytes]) -> None:
    """Raise HostUnavailable for what cannot start a host; one that was killed can be started again."""
    assert ended.stderr is not None
    with ended.stderr:
        # One that was killed may have left a child that holds the pipe.
        said = ended.stderr.read().decode(errors="replace").strip() if ended.returncode > 0 else ""
    if ended.returncode > 0:
        last = said.splitlines()[-1] if said else f"exit status {ended.returncode}"
        raise resource_error(last) or HostUnavailable(f"the model host did not start: {last}")


def _reap(starting: Popen[bytes], poll: Poll) -> None:
    """Wait for the process that started the host, which has nothing left to do."""
    until = time.monotonic() + 1
    while starting.poll() is None and time.monotonic() < until:
        _pause(poll)
    assert starting.stderr is not None
    starting.stderr.close()


@contextlib.contextmanager
def _turn() -> Iterator[Callable[[], bool]]:
    """Tells whether it is this process's turn to start the host; a turn ends with the block, or with the process."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(protocol.FOLDER, 0o700)
    held = os.open(f"{protocol.FOLDER}/spawn.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def is_mine() -> bool:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        yield is_mine
    finally:
        os.close(held)


def _pause(poll: Poll) -> None:
    poll()
    time.sleep(_SLICE)
