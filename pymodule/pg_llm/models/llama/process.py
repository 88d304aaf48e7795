"""The child process that runs a model, and requests to it.

After a crash the process is started again, and each text that it worked on is tried once more, alone: the text that the
crash comes from then fails, and no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import httpx

from pg_llm import errors
from pg_llm.errors import Error, InvalidInput, InvalidModel, MissingPackage
from pg_llm.installation import PACKAGE, installation
from pg_llm.models import event_loop
from pg_llm.models.engine import Message
from pg_llm.models.llama import server
from pg_llm.models.llama.settings import Settings

log = logging.getLogger(__name__)
_R = TypeVar("_R")
# Threads that wait for each other sleep at once: beside one busy core two that spin wrote 4 tokens a second, two that
# sleep 34.
_OPENMP = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "100"}
# A text may take as long as its caller waits. llama.cpp closes connections that were idle for 5 seconds.
_NEVER = httpx.Timeout(None)
_CONNECTIONS = httpx.Limits(keepalive_expiry=1)
_EVENT = "data: "
# Seconds after which a process that has worked for less than so many of them stands still: two threads of an OpenMP
# team were seen to wait for each other for ever.
_PATIENCE, _LEAST_WORK = 15.0, 0.05
# Seconds of waiting for the text of a chat template, of which the process has worked for half: it takes milliseconds.
_RENDERING = 20.0
# Seconds of the processor for loading, and bytes of weights for which there is one more.
_LOADING, _BYTES_PER_SECOND = 20.0, 20 << 20
_TICK = 1 / os.sysconf("SC_CLK_TCK")
# Seconds after which a process that answers nothing is taken for one that is ending, and in which it has to end.
_EXIT_TIMEOUT, _BURIAL = 2.0, 30.0
# Times that a request without a slot is lost.
_MAX_LOST = 4
_WELL = b"HTTP/1.1 200"
# Texts whose tokens are kept, and characters of each.
_MAX_KEPT = 200
# Characters of a long beginning. Prompts that share one take turns, so that the slot that has read it gets them all:
# others would each read it once more, and texts are hardly written faster together than one after the other.
_BEGINNING = 1000
# Characters that are shown of what llama.cpp writes.
_MAX_SHOWN = 1000
# A line for each request would fill the host's log.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class _Lost(Exception):
    """The process ended before it answered."""


class Llama:
    """llama.cpp with one model, in a process of its own; it ends with this object.

    `running` is how many texts it works on or keeps waiting.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.running = 0
        self._room = _Room(settings.slots)
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._known_tokens: dict[str, list[int]] = {}
        self._renderings: set[asyncio.Task[dict[str, Any]]] = set()
        self._starting = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] = []
        # Those that are open: the current one, and before it those whose requests may still be answered.
        self._clients: list[httpx.AsyncClient] = []
        self._current: httpx.AsyncClient | None = None
        self._make_folder()
        self._start()

    def start(self, work: Coroutine[Any, Any, _R]) -> Future[_R]:
        """Run a coroutine that calls this process; cancelling the future ends what llama.cpp does for it."""
        return event_loop.start(work)

    async def post(self, resource: str, body: dict[str, Any]) -> Any:
        """The answer to a request that needs a slot for a moment.

        Raises InvalidInput for what llama.cpp refuses, and Error where it crashed twice.
        """
        async with self._turn(body):
            return await self._twice(lambda: self._post(resource, body), 1)

    async def stream(self, resource: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """As `post`, for a long request: all parts of the answer. llama.cpp stops when nobody reads any further."""
        streamed = {**body, "stream": True, "return_progress": True}
        async with self._turn(body):
            return await self._twice(lambda: self._stream(resource, streamed), 1)

    async def look_up(self, resource: str, body: dict[str, Any]) -> dict[str, Any]:
        """As `post`, for a request that needs no slot, as the model itself has nothing to do."""
        return await self._twice(lambda: self._post(resource, body), 0)

    async def prompt(self, messages: Sequence[Message]) -> str:
        """The text that the model's template makes of a conversation.

        Raises InvalidModel where that comes to no end: a template is a program, of whoever made the file.
        """
        # A model that thinks first would spend its tokens on that.
        body = {"messages": messages, "chat_template_kwargs": {"enable_thinking": False}}
        return str((await self._twice(lambda: self._rendered(body), 0))["prompt"])

    async def _rendered(self, body: dict[str, Any]) -> dict[str, Any]:
        # Where nobody waits any more llama.cpp goes on, and so does the watch.
        rendering = asyncio.ensure_future(self._in_time(self._post("/apply-template", body)))
        self._renderings.add(rendering)
        rendering.add_done_callback(self._renderings.discard)
        rendering.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(rendering)

    async def _in_time(self, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """What the coroutine gives. Raises InvalidModel, and kills the process, where that takes too long."""
        task = asyncio.ensure_future(work)
        child, until = self._children[-1], time.monotonic() + _RENDERING
        before = _processor_time(child)
        while not (await asyncio.wait((task,), timeout=_RENDERING / 20))[0]:
            # A process that gets no processor is not what is wrong.
            if time.monotonic() > until and _processor_time(child) - before > _RENDERING / 2:
                child.kill()
                task.cancel()
                raise InvalidModel(
                    f'the chat template of "{self.settings.file}" comes to no end',
                    hint="It is a program in the file: use another file of this model.",
                )
        return task.result()

    async def tokens(self, text: str) -> list[int]:
        """The tokens of a text; those of short ones, such as labels, are kept."""
        if (known := self._known_tokens.get(text)) is not None:
            return known
        found: list[int] = (await self.look_up("/tokenize", {"content": text, "parse_special": False}))["tokens"]
        if len(text) <= _MAX_KEPT:
            if len(self._known_tokens) == _MAX_KEPT:
                self._known_tokens.clear()
            self._known_tokens[text] = found
        return found

    async def end_token(self) -> int:
        """The token that ends a turn of a conversation."""
        with _lost():
            properties = (await (await self._client()).get("/props")).json()
        body = {"content": properties["eos_token"], "parse_special": True}
        return int((await self.look_up("/tokenize", body))["tokens"][0])

    def _turn(self, body: dict[str, Any]) -> contextlib.AbstractAsyncContextManager[None]:
        prompt = body.get("prompt", "")
        beginning = (prompt if isinstance(prompt, str) else prompt[0])[:_BEGINNING]
        if len(beginning) < _BEGINNING:
            return contextlib.nullcontext()
        return self._turns.setdefault(beginning, asyncio.Lock())

    async def _twice(self, send: Callable[[], Coroutine[Any, Any, _R]], slots: int) -> _R:
        # A request without a slot may be lost to crashes that come from others' texts.
        for _ in range(1 if slots else _MAX_LOST):
            try:
                async with self._room.reserved(slots):
                    return await self._watched(send())
            except _Lost:
                await asyncio.to_thread(self._bury)
        # Alone, so that a text that makes it crash again takes no other along.
        async with self._room.reserved(self.settings.slots if slots else 0):
            # With no connection of before, which a process that has ended may have left behind.
            await asyncio.to_thread(self._start)
            self._current = None
            try:
                return await self._watched(send())
            except _Lost as error:
                raise Error(
                    "llama.cpp crashed twice while it read this text",
                    hint="The log of the model host says more. Shorten the text, or use another file of the model.",
                ) from error

    async def _watched(self, work: Coroutine[Any, Any, _R]) -> _R:
        """What the coroutine gives. A process that stands still meanwhile is killed, which is a crash like others."""
        task = asyncio.ensure_future(work)
        try:
            while True:
                child, before = self._children[-1], _activity(self._children[-1])
                if (await asyncio.wait((task,), timeout=_PATIENCE))[0]:
                    return task.result()
                if child.poll() is None and _activity(child) - before < _LEAST_WORK:
                    log.warning("llama.cpp stood still for %d seconds", _PATIENCE)
                    child.kill()
        finally:
            task.cancel()

    def too_long(self, tokens: int | None = None) -> InvalidInput:
        """The error for a prompt that exceeds the context."""
        has = f"{tokens} tokens" if tokens else "too many tokens"
        return InvalidInput(
            f"the prompt has {has}, and the model reads {self.settings.context} with its answer",
            hint="left(text, 4000) shortens a text; the option context of the model lets it read more.",
        )

    async def _post(self, resource: str, body: dict[str, Any]) -> Any:
        with _lost():
            response = await (await self._client()).post(resource, content=_encoded(body))
        if response.is_error:
            raise self._refused(response.content)
        return response.json()

    async def _stream(self, resource: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        events = []
        client = await self._client()
        with _lost():
            async with client.stream("POST", resource, content=_encoded(body)) as response:
                if response.is_error:
                    raise self._refused(await response.aread())
                async for line in response.aiter_lines():
                    if line.startswith(_EVENT) and not line.endswith("[DONE]"):
                        event = json.loads(line.removeprefix(_EVENT))
                        if "error" in event:
                            raise self._refused(json.dumps(event))
                        events.append(event)
        return events

    def _refused(self, content: bytes | str) -> Exception:
        try:
            error = json.loads(content)["error"]
            kind, message = error["type"], str(error["message"])
        except (ValueError, LookupError, TypeError):
            kind, message = "", str(content)[:_MAX_SHOWN]
        if kind == "exceed_context_size_error":
            return self.too_long(error.get("n_prompt_tokens"))
        if kind == "invalid_request_error":
            return InvalidInput(f"llama.cpp refuses the request: {message[:_MAX_SHOWN]}")
        return errors.resource_error(message) or Error(f"llama.cpp failed: {message[:_MAX_SHOWN]}")

    async def _client(self) -> httpx.AsyncClient:
        if not self._is_running():
            await asyncio.to_thread(self._start)
        client = self._current
        if client is None:
            transport = httpx.AsyncHTTPTransport(uds=self._socket, limits=_CONNECTIONS)
            client = httpx.AsyncClient(transport=transport, base_url="http://llama", timeout=_NEVER)
            self._clients.append(client)
            self._current = client
        return client

    def _bury(self) -> None:
        """Wait until a process that has crashed is gone: its connections end before it does, on a busy machine long."""
        for child in list(self._children):
            until = time.monotonic() + _BURIAL
            while child.poll() is None and not self._answers():
                if time.monotonic() > until or not os.path.isdir(self._folder):
                    child.kill()
                time.sleep(0.1)
            if child.poll() is not None:
                written = ""
                with contextlib.suppress(FileNotFoundError):
                    written = " ".join(self._log.read_text("utf-8", "replace")[-_MAX_SHOWN:].split())
                log.warning("llama.cpp ended with status %d: %s", child.returncode, written or "its log is gone")

    def _answers(self) -> bool:
        """Whether the process is well: it closes connections that were idle, too."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_EXIT_TIMEOUT)
            probe.connect(self._socket)
            probe.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            return probe.recv(len(_WELL)) == _WELL
        return False

    def _is_running(self) -> bool:
        return bool(self._children) and self._children[-1].poll() is None

    def _make_folder(self) -> None:
        # Of this process, which is the only one that the socket's folder lets in.
        self._folder = tempfile.mkdtemp(prefix="pg_llm-")
        self._socket = os.path.join(self._folder, server.SOCKET)
        self._log = Path(self._folder, server.LOG)
        self._finalizer = weakref.finalize(self, _end, self._children, self._clients, self._folder)

    def _start(self) -> None:
        """Start the process unless it runs. Raises InvalidModel, OutOfMemory."""
        with self._starting:
            if self._is_running():
                return
            for child in self._children:
                _kill(child)
            # Before it runs: connections to the process before would each be lost once more.
            self._current = None
            _close(self._clients)
            # What tidies up /tmp may have taken it.
            if not os.path.isdir(self._folder):
                self._finalizer.detach()
                self._make_folder()
            self._children[:] = [_child({**asdict(self.settings), "socket": self._socket}, self._log)]


class _Room:
    """Slots that are free; requests get theirs in the order in which they came."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def reserved(self, slots: int) -> AsyncIterator[None]:
        if slots:
            async with self._turn:
                while self._free < slots:
                    self._freed.clear()
                    await self._freed.wait()
                self._free -= slots
        try:
            yield
        finally:
            self._free += slots
            self._freed.set()


@contextlib.contextmanager
def _lost() -> Any:
    try:
        yield
    except httpx.TransportError as error:
        raise _Lost from error


def _encoded(body: dict[str, Any]) -> bytes:
    # llama.cpp reads no lone surrogates.
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _child(settings: dict[str, Any], log_file: Path) -> subprocess.Popen[bytes]:
    Path(settings["socket"]).unlink(missing_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
    # A session of its own, as cancelling a query signals the backend's process group.
    with log_file.open("wb") as written:
        child = subprocess.Popen(
            [installation().python, "-m", "pg_llm.models.llama.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=written,
            env={**_OPENMP, **inherited, "PYTHONPATH": str(PACKAGE.parent)},
            start_new_session=True,
        )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdout:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(json.dumps(settings).encode() + b"\n")
            child.stdin.flush()
        line = child.stdout.readline() if _has_loaded(child, child.stdout, settings["file"]) else b""
    answer = json.loads(line) if line else {"error": f"the process ended with status {child.wait()}"}
    if "error" not in answer:
        return child
    _kill(child)
    if "missing" in answer:
        raise MissingPackage(
            f"llama.cpp, which GGUF files need, cannot be loaded: {answer['error']}",
            hint="./run setup installs the Python package xllamacpp and the system's library libgomp, which it needs.",
        )
    raise errors.resource_error(answer["error"]) or InvalidModel(
        f'llama.cpp cannot load "{settings["file"]}": {answer["error"]}',
        hint="The file may be damaged, or of an architecture that this llama.cpp does not know.",
    )


def _has_loaded(child: subprocess.Popen[bytes], output: Any, file: str) -> bool:
    """Wait until a process says that it has loaded its model, or ends. Raises InvalidModel where it does neither."""
    limit = _LOADING + os.path.getsize(file) / _BYTES_PER_SECOND if os.path.exists(file) else _LOADING
    while not select.select([output], [], [], 1.0)[0]:
        if _processor_time(child) > limit:
            _kill(child)
            raise InvalidModel(
                f'llama.cpp has worked on loading "{file}" for {limit:.0f} seconds, and comes to no end',
                hint="Its chat template, which is a program, may have no end: use another file of this model.",
            )
    return True


def _processor_time(child: subprocess.Popen[bytes]) -> float:
    """Seconds of all its threads together; none for one that has ended."""
    try:
        fields = Path(f"/proc/{child.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) * _TICK


def _activity(child: subprocess.Popen[bytes]) -> float:
    """Seconds in which its threads have worked, or waited for a processor; each read of memory from a disk is one more.

    On a slow machine these pass too.
    """
    seconds = _processor_time(child)
    with contextlib.suppress(OSError, ValueError, IndexError):
        seconds += int(Path(f"/proc/{child.pid}/stat").read_text("utf-8").rpartition(")")[2].split()[9])
        for thread in Path(f"/proc/{child.pid}/task").iterdir():
            seconds += int((thread / "schedstat").read_text("utf-8").split()[1]) / 1e9
    return seconds


def _kill(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def _end(children: list[subprocess.Popen[bytes]], clients: list[httpx.AsyncClient], folder: str) -> None:
    for child in children:
        _kill(child)
    _close(clients)
    shutil.rmtree(folder, ignore_errors=True)


def _close(clients: list[httpx.AsyncClient]) -> None:
    """Forget the clients; their connections are closed by the loop that they belong to."""
    while clients:
        client = clients.pop()
        if not sys.is_finalizing():
            event_loop.start(client.aclose())
