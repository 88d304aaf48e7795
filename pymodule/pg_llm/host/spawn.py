"""Starting the model host from a backend."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator

from pg_llm import protocol
from pg_llm.errors import HostUnavailable
from pg_llm.installation import PACKAGE, PATIENT, installation

_PATIENCE = 60.0
_SLICE = 0.01


def connect() -> socket.socket | None:
    """A connection to the host, or None where none is running."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.connect(protocol.SOCKET)
    except (FileNotFoundError, ConnectionRefusedError):
        channel.close()
        return None
    except OSError as error:
        channel.close()
        raise HostUnavailable(f"cannot connect to the model host: {error}") from error
    return channel


def ensure(poll: Callable[[], object]) -> socket.socket:
    """A connection to the host, which is started if need be; `poll` is called while waiting and may raise.

    Raises HostUnavailable.
    """
    deadline = time.monotonic() + _PATIENCE
    if channel := connect():
        return channel
    with _one_at_a_time(poll, deadline):
        # Whoever held the lock before may have started it.
        while (channel := connect()) is None:
            _start(poll, deadline)
    return channel


def _start(poll: Callable[[], object], deadline: float) -> None:
    # Imported here: a backend that finds the host running never needs it.
    import subprocess

    python = installation().python
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
    command = [python, "-m", "pg_llm.host", "--detach", "--data-directory", os.getcwd()]
    try:
        starting = subprocess.Popen(
            command, env={**PATIENT, **environment, "PYTHONPATH": str(PACKAGE.parent)}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise HostUnavailable(
            f'cannot start the model host with "{python}": {error}', hint="Install pg_llm again: ./run setup"
        ) from error
    while starting.poll() is None:
        _pause(poll, deadline)
    assert starting.stderr is not None
    with starting.stderr:
        said = starting.stderr.read().decode(errors="replace").strip() if starting.returncode else ""
    if starting.returncode:
        last = said.splitlines()[-1] if said else f"exit status {starting.returncode}"
        raise HostUnavailable(f"the model host did not start: {last}")
    _pause(poll, deadline)


@contextlib.contextmanager
def _one_at_a_time(poll: Callable[[], object], deadline: float) -> Iterator[None]:
    """Hold the right to start the host; it ends with the process that holds it."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(protocol.FOLDER, 0o700)
    lock = os.open(f"{protocol.FOLDER}/spawn.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                _pause(poll, deadline)
        yield
    finally:
        os.close(lock)


def _pause(poll: Callable[[], object], deadline: float) -> None:
    poll()
    if time.monotonic() > deadline:
        raise HostUnavailable(f"the model host did not start within {_PATIENCE:.0f} seconds")
    time.sleep(_SLICE)
