"""Work in a process of its own: for libraries that hold Python's lock for long, or could take their process along.

The process is that of the host's interpreter, whoever asks; it knows nothing but what it is given, and ends when it is
left alone or when who asks ends. Frames are those of the socket.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from pg_llm import protocol
from pg_llm.errors import Error, InvalidInput, from_wire, to_wire
from pg_llm.installation import PACKAGE, installation
from pg_llm.tasks import TASKS

# Seconds that one piece of work may take, and that the process waits for the next.
_LONGEST, _IDLE = 60.0, 120.0
# Seconds between two calls of `poll`, which a backend that waits here itself puts its poll in the place of.
_SLICE = 0.05
poll: Callable[[], object] = lambda: None  # noqa: E731 - the type is said once


def call(task: str, *arguments: Any) -> str:
    """What the function `run_in_worker` of a task makes of the arguments. Raises what that raises."""
    return _process(task).ask(list(arguments))


class _Lost(Exception):
    """The process ended before it answered."""


class _Process:
    def __init__(self, task: str) -> None:
        self._task = task
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        atexit.register(self._end)

    def ask(self, arguments: list[Any]) -> str:
        """One answer. A process that was left alone too long is started anew."""
        with self._lock:
            with contextlib.suppress(_Lost):
                if self._running is not None:
                    return self._exchange(self._running, arguments)
            try:
                return self._exchange(self._start(), arguments)
            except _Lost:
                raise Error(f"the process for {self._task} ended at once", hint="The server's log says more.") from None

    def _exchange(self, running: subprocess.Popen[bytes], arguments: list[Any]) -> str:
        assert running.stdin is not None
        assert running.stdout is not None
        until = time.monotonic() + _LONGEST
        try:
            # Texts go as they are, not as JSON.
            texts = [each for each in arguments if isinstance(each, str)]
            others = [None if isinstance(each, str) else each for each in arguments]
            running.stdin.write(protocol.encode({"arguments": others, "inputs": texts}))
            running.stdin.flush()
            answer = _message(running.stdout.fileno(), until)
        except TimeoutError:
            self._end()
            raise InvalidInput(
                f"this takes longer than the {_LONGEST:.0f} seconds that {self._task} may take", hint="Ask for less."
            ) from None
        except (OSError, EOFError) as error:
            self._end()
            raise _Lost from error
        except BaseException:
            # Nobody waits for the answer that would come next.
            self._end()
            raise
        if "error" in answer:
            raise from_wire(answer["error"])
        return str(answer["result"][0])

    def _start(self) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
        # A session of its own: what cancels a query ends the process group of the backend.
        self._running = subprocess.Popen(
            [installation().python, "-m", __name__, self._task],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**kept, "PYTHONPATH": str(PACKAGE.parent)},
            start_new_session=True,
        )
        return self._running

    def _end(self) -> None:
        if self._running is None:
            return
        running, self._running = self._running, None
        running.kill()
        running.wait()
        for pipe in (running.stdin, running.stdout):
            # What is still to be written has nobody left to read it.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


@cache
def _process(task: str) -> _Process:
    return _Process(task)


def _message(channel: int, until: float) -> protocol.Message:
    """What one frame says. Raises EOFError and TimeoutError."""
    size = protocol.size(_bytes(channel, protocol.HEADER.size, until))
    message = protocol.decode(_bytes(channel, size, until))
    return protocol.complete(message, _bytes(channel, protocol.texts_size(message), until))


def _bytes(channel: int, size: int, until: float) -> bytes:
    found = bytearray()
    while len(found) < size:
        while not select.select([channel], [], [], _SLICE)[0]:
            poll()
            if time.monotonic() > until:
                raise TimeoutError
        part = os.read(channel, min(size - len(found), 1 << 20))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def main(task: str) -> None:
    """Answer what comes, until nothing does."""
    work = importlib.import_module(TASKS[task]).run_in_worker
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            if not select.select([0], [], [], _IDLE)[0]:
                return
            asked = _message(0, time.monotonic() + _LONGEST)
        except (EOFError, TimeoutError):
            return
        try:
            texts = iter(asked["inputs"])
            arguments = [next(texts) if each is None else each for each in asked["arguments"]]
            answer: dict[str, Any] = {"result": [work(*arguments)]}
        except Error as error:
            answer = {"error": to_wire(error)}
        except Exception as error:  # noqa: BLE001 - a defect, told as one
            answer = {"error": to_wire(Error(f"internal error: {type(error).__name__}: {error}"))}
        answers.write(protocol.encode(answer))
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
