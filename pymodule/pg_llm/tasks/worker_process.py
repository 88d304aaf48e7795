"""Worker processes for libraries that hold Python's global interpreter lock for long or may crash their process.

A worker runs the host's interpreter, sees only the arguments of a call, and exits when it is idle or its parent exits.
Its pipes carry the frames of the host's socket. Its memory has a limit, which is `memory_limit` where it is started.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import resource
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from pg_llm import parent_death, protocol, settings
from pg_llm.errors import Error, InvalidInput, MemoryLimitExceeded, from_wire, to_wire
from pg_llm.installation import PACKAGE, installation
from pg_llm.tasks import TASKS

# Seconds that one call may take, and that an idle worker waits for the next call.
_CALL_TIMEOUT, _IDLE_TIMEOUT = 60.0, 120.0
# Seconds between two calls of `poll`; a backend that waits here itself sets `poll` to its own.
_SLICE = 0.05
poll: Callable[[], object] = lambda: None  # noqa: E731 - declares the type of the variable
# Bytes that each worker may have for itself; the host sets what the server's configuration says.
memory_limit = settings.size("llm.process_memory_limit", None)


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


class _Caller(threading.local):
    """The caller that this thread works for: the event is set when it has gone, and `spent` sums up what it costs."""

    gone: threading.Event | None = None
    spent: Any = None


caller = _Caller()


def check_caller() -> None:
    """Raise Abandoned, or what `poll` raises, where whoever waits for this thread has gone."""
    poll()
    if caller.gone is not None and caller.gone.is_set():
        raise Abandoned


def call(task: str, *arguments: Any) -> str:
    """The result of the task's function `run_in_worker` for the arguments. Raises what that raises."""
    return _worker(task).call(*arguments)


class _WorkerLost(Exception):
    """The worker exited before it responded."""


class WorkerProcess:
    """One process for a task, started by its first call; a call may take `timeout` seconds, None for any time.

    What `run_in_worker` remembers of earlier calls is lost when the process has been idle for long.
    """

    def __init__(self, task: str, timeout: float | None = _CALL_TIMEOUT) -> None:
        self._task = task
        self._timeout = timeout
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        atexit.register(self.end)

    def call(self, *arguments: Any) -> str:
        """The result of one call; a worker that has exited is started again."""
        with self._turn():
            with contextlib.suppress(_WorkerLost):
                if self._running is not None:
                    return self._exchange(self._running, arguments)
            try:
                return self._exchange(self._start(), arguments)
            except _WorkerLost:
                raise Error(
                    f"the process for {self._task} ended at once",
                    hint="The server's log says more; a library that finds no more memory ends so, too"
                    " (llm.process_memory_limit).",
                ) from None

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One caller at a time; one that has gone does not wait for its turn."""
        while not self._lock.acquire(timeout=_SLICE):
            check_caller()
        try:
            yield
        finally:
            self._lock.release()

    def _exchange(self, running: subprocess.Popen[bytes], arguments: Sequence[Any]) -> str:
        assert running.stdin is not None
        assert running.stdout is not None
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        try:
            # Texts follow the JSON, and None stands for each in its place.
            texts = [argument for argument in arguments if isinstance(argument, str)]
            others = [None if isinstance(argument, str) else argument for argument in arguments]
            running.stdin.write(protocol.encode({"arguments": others, "inputs": texts}))
            running.stdin.flush()
            response = _message(running.stdout.fileno(), deadline)
        except TimeoutError:
            self.end()
            raise InvalidInput(
                f"this takes longer than the {self._timeout:.0f} seconds that {self._task} may take",
                hint="Ask for less.",
            ) from None
        except (OSError, EOFError) as error:
            self.end()
            raise _WorkerLost from error
        except BaseException:
            # The abandoned call's response must not be taken for the next one's.
            self.end()
            raise
        if "error" in response:
            raise from_wire(response["error"])
        return str(response["result"][0])

    def _start(self) -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
        # A session of its own, as cancelling a query signals the backend's process group.
        self._running = subprocess.Popen(
            [installation().python, "-m", __name__, self._task, str(memory_limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**inherited, "PYTHONPATH": str(PACKAGE.parent)},
            start_new_session=True,
        )
        return self._running

    def size(self) -> int:
        """The resident set size of the process in bytes, 0 where none is running."""
        running = self._running
        if running is None:
            return 0
        with contextlib.suppress(OSError, IndexError), open(f"/proc/{running.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
        return 0

    def end(self) -> None:
        """End the process, if it is running."""
        if self._running is None:
            return
        running, self._running = self._running, None
        running.kill()
        running.wait()
        for pipe in (running.stdin, running.stdout):
            # Flushing to the killed process fails.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


@cache
def _worker(task: str) -> WorkerProcess:
    return WorkerProcess(task)


def _message(channel: int, deadline: float | None) -> protocol.Message:
    """The message of one frame. Raises EOFError and TimeoutError."""
    size = protocol.size(_bytes(channel, protocol.HEADER.size, deadline))
    message = protocol.decode(_bytes(channel, size, deadline))
    return protocol.complete(message, _bytes(channel, protocol.texts_size(message), deadline))


def _bytes(channel: int, size: int, deadline: float | None) -> bytes:
    received = bytearray()
    while len(received) < size:
        while not select.select([channel], [], [], _SLICE)[0]:
            check_caller()
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError
        chunk = os.read(channel, min(size - len(received), 1 << 20))
        if not chunk:
            raise EOFError
        received += chunk
    return bytes(received)


def main(task: str, memory: int) -> None:
    """Serve calls on standard input until it is closed or idle, or a call takes more than that many bytes."""
    parent_death.die_with(os.getppid())
    # What is mapped from files, such as weights and libraries, counts for nobody.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, resource.RLIM_INFINITY))
    function = importlib.import_module(TASKS[task]).run_in_worker
    # Output that a library prints must not be taken for a response.
    responses = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        while request := _request():
            responses.write(protocol.encode(_answer(function, request)))
            responses.flush()
    except MemoryError:
        # To say so takes a little more. What the process remembers may be half made, so that it ends.
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        error = MemoryLimitExceeded(
            f"this takes more than the {memory >> 20} MB that the process for {task} may take",
            hint="Ask for less, such as some of the rows or columns, or raise llm.process_memory_limit in"
            " postgresql.conf and restart the model host.",
        )
        responses.write(protocol.encode({"error": to_wire(error)}))
        responses.flush()


def _request() -> protocol.Message | None:
    """The next call, or None where the process is to end."""
    try:
        return _message(0, time.monotonic() + _CALL_TIMEOUT) if select.select([0], [], [], _IDLE_TIMEOUT)[0] else None
    except (EOFError, TimeoutError):
        return None


def _answer(function: Callable[..., str], request: protocol.Message) -> protocol.Message:
    """The result of a call, or its error. Raises MemoryError."""
    texts = iter(request["inputs"])
    try:
        return {"result": [function(*[next(texts) if each is None else each for each in request["arguments"]])]}
    except Error as error:
        return {"error": to_wire(error)}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a defect, reported to the caller
        return {"error": to_wire(Error(f"internal error: {type(error).__name__}: {error}"))}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
