"""The host's side of the socket: who may connect, what each request does, what is counted."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from pg_llm import protocol, tasks
from pg_llm.errors import Error, from_exception, to_wire
from pg_llm.installation import build
from pg_llm.models import loading
from pg_llm.models.cache import ModelCache
from pg_llm.models.engine import Engine
from pg_llm.models.spec import ModelSpec
from pg_llm.protocol import Message
from pg_llm.runtime import result_cache
from pg_llm.runtime.memory import Memory
from pg_llm.runtime.result_cache import ResultCache
from pg_llm.runtime.scheduler import ModelQueue, Session
from pg_llm.runtime.training import process

log = logging.getLogger("pg_llm.runtime")
_T = TypeVar("_T")
_UCRED = struct.Struct("3i")
# Seconds of results after which others have their turn in a thread.
_SLICE = 0.05
# What is read at once of texts that nobody will read.
_PIECE = 1 << 20


@dataclass(slots=True)
class Counts:
    """What one model was asked since the host started."""

    calls: int = 0
    rows: int = 0
    memo_hits: int = 0


class Server:
    """Answers every session of one cluster; `logs` receives what trainings log, `leave` ends the process."""

    def __init__(
        self, cache: ModelCache, results: ResultCache, memory: Memory, logs: str | None, leave: Callable[[], None]
    ) -> None:
        self._cache = cache
        self._logs = logs
        self._results = results
        self._memory = memory
        self._leave = leave
        self._started_at = time.time()
        # Slices of work for models; what takes longer has threads of its own: loading, and libraries.
        self._threads = ThreadPoolExecutor(4)
        self._loaders = ThreadPoolExecutor(4)
        self._libraries = ThreadPoolExecutor(4)
        self._loading: dict[str, asyncio.Future[Engine]] = {}
        self._queues: dict[str, ModelQueue] = {}
        self._counts: dict[str, Counts] = {}
        self._progress: dict[Session, Message] = {}
        self._sessions = itertools.count()
        # One training at a time: each takes all the processors it gets.
        self._training = asyncio.Lock()
        self._rows: dict[Session, list[str]] = {}
        self._folders: dict[Session, list[Path]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side closes it; what it still waits for is then dropped."""
        session = next(self._sessions)
        running: set[asyncio.Task[None]] = set()
        try:
            self._check_peer(writer)
            while True:
                message, refused = await self._read(reader)
                # An older caller, a session from before the last installation, is served as far as may be.
                if message["build"] > build():
                    log.info("a newer installation is calling: leaving")
                    self._leave()
                    return
                task = asyncio.create_task(self._answer(session, message, refused, writer))
                running.add(task)
                task.add_done_callback(running.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (ValueError, KeyError, TypeError, RecursionError, PermissionError) as error:
            log.warning("connection refused: %s: %s", type(error).__name__, error)
        finally:
            for queue in self._queues.values():
                queue.cancel(session)
            for task in running:
                task.cancel()
            self._progress.pop(session, None)
            self._rows.pop(session, None)
            writer.close()
            # A training that is being stopped removes its folder itself, once its process is gone.
            await asyncio.gather(*running, return_exceptions=True)
            self._release(session)

    async def _read(self, reader: asyncio.StreamReader) -> tuple[Message, Error | None]:
        """One request; of one whose texts have no room, what is wrong instead of them."""
        size = protocol.size(await reader.readexactly(protocol.HEADER.size))
        message = protocol.decode(await reader.readexactly(size))
        left = protocol.texts_size(message)
        try:
            self._memory.check(left)
        except Error as error:
            while left:
                left -= len(await reader.readexactly(min(left, _PIECE)))
            return message, error
        return protocol.complete(message, await reader.readexactly(left)), None

    async def _answer(
        self, session: Session, message: Message, refused: Error | None, writer: asyncio.StreamWriter
    ) -> None:
        answer: Message = {"id": message.get("id")}
        inputs = message.get("inputs") or ()
        try:
            if refused:
                raise refused
            with self._memory.taken(sum(map(len, inputs))):
                answer["result"] = await self._do(session, message)
        except Error as error:
            answer["error"] = to_wire(error)
        except Exception as error:
            log.exception("request %s failed", message.get("op"))
            answer["error"] = to_wire(from_exception(error, hint="See pg_llm/host.log in the data directory."))
        # A caller from before texts had a place of their own reads JSON only.
        writer.write(protocol.encode(answer, plain="texts" not in message.get("reads", ())))
        await writer.drain()

    async def _do(self, session: Session, message: Message) -> Any:
        match message["op"]:
            case "run":
                return await self._run(session, message)
            case "load":
                return loading.describe(await self._model(ModelSpec.from_wire(message["model"])))
            case "unload":
                return self._cache.drop(ModelSpec.from_wire(message["model"]))
            case "resolve":
                given = ModelSpec.from_wire(message["model"])
                spec = await self._in(self._loaders, lambda: loading.resolve(given))
                return {**spec.to_wire(), **loading.describe(await self._model(spec))}
            case "status":
                return self._status([ModelSpec.from_wire(wire) for wire in message["models"]])
            case "report":
                self._report(session, message)
                return None
            case "rows":
                self._rows.setdefault(session, []).extend(message["inputs"])
                return None
            case "train":
                return await self._train(session, message)
            case "release":
                self._progress.pop(session, None)
                await self._in(self._loaders, lambda: self._release(session))
                return None
            case "forget":
                spec = ModelSpec.from_wire(message["model"])
                self._cache.drop(spec)
                return await self._in(self._loaders, lambda: loading.forget(spec))
            case "progress":
                return list(self._progress.values())
            case unknown:
                raise Error(f'the model host does not know the request "{unknown}"')

    async def _run(self, session: Session, message: Message) -> list[str]:
        spec = ModelSpec.from_wire(message["model"]) if message["model"] else None
        inputs, options = message["inputs"], message["options"]
        key, scope = spec.key if spec else "", result_cache.scope(message["task"], options)
        results = self._results.get_many(key, scope, inputs)
        # A text that stands twice in a call is computed once.
        missing = [text for text in dict.fromkeys(inputs) if text not in results]
        if spec:
            counts = self._counts.setdefault(key, Counts())
            counts.calls += 1
            counts.rows += len(inputs)
            counts.memo_hits += len(inputs) - len(missing)
        if missing:
            finished = await self._compute(session, spec, message["task"], missing, options)
            computed = dict(zip(missing, finished, strict=True))
            self._results.put_many(key, scope, computed)
            results.update(computed)
        return [results[text] for text in inputs]

    async def _compute(
        self, session: Session, spec: ModelSpec | None, name: str, inputs: list[str], options: Message
    ) -> list[str]:
        task = tasks.find(name)
        model = await self._model(spec) if spec else None
        threads = self._threads if spec else self._libraries
        weight = task.weight(model, options) if hasattr(task, "weight") else 1
        results: list[str] = []
        for portion in tasks.portions(inputs, weight):
            works = await self._in(threads, functools.partial(task.prepare, model, portion, options))
            found: list[str | tasks.WorkItem] = list(works)
            # Long texts are read in steps: others have their turn between them.
            while left := [place for place, work in enumerate(found) if isinstance(work, tasks.WorkItem)]:
                works = [cast(tasks.WorkItem, found[place]) for place in left]
                outputs: Sequence[Any] = ()
                if spec and model:
                    outputs = await self._queue(spec, model).submit(session, tasks.windows(works))
                finishing = tasks.finish(works, outputs)
                ended: list[str | tasks.WorkItem] = []
                while len(ended) < len(works):
                    ended += await self._in(threads, functools.partial(tasks.take_for, finishing, _SLICE))
                for place, result in zip(left, ended, strict=True):
                    found[place] = result
            results += cast(list[str], found)
        return results

    async def _model(self, spec: ModelSpec) -> Engine:
        """The model, loaded by one of those who wait for it."""
        if self._cache.peek(spec) is not None:
            return self._cache.get(spec)
        if spec.key not in self._loading:
            loading = asyncio.ensure_future(self._in(self._loaders, lambda: self._cache.get(spec)))
            self._loading[spec.key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(spec.key))
        return await asyncio.shield(self._loading[spec.key])

    def _queue(self, spec: ModelSpec, model: Engine) -> ModelQueue:
        # The model is fetched again for every batch: it may have been evicted while the work was waiting.
        return self._queues.setdefault(
            spec.key, ModelQueue(lambda batch: self._cache.get(spec).forward(batch), model.batch_tokens)
        )

    async def _train(self, session: Session, message: Message) -> Message:
        about = message["about"]
        self._progress[session] = {**about, "phase": "waiting", "done": 0, "total": 1}
        try:
            async with self._training:
                # A caller from before rows came in parts of their own has them in the message.
                rows = self._rows.pop(session, None) or [json.dumps(row) for row in message.get("rows", ())]
                preparing = asyncio.ensure_future(
                    self._in(self._loaders, lambda: process.prepare(message["job"], rows))
                )
                try:
                    folder = await asyncio.shield(preparing)
                except asyncio.CancelledError:
                    # The thread does not stop with its caller; what it makes is taken away.
                    process.remove(await preparing)
                    raise
                self._folders.setdefault(session, []).append(folder)
                return await self._watch(session, folder, about)
        finally:
            self._progress.pop(session, None)

    async def _watch(self, session: Session, folder: Path, about: Message) -> Message:
        """Start the training in the folder and tell what it says; it ends when this does."""
        logs = self._logs and f"{self._logs}/{about['name'].replace('/', '_')}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        with (folder / "log").open("wb") as errors:
            running = await asyncio.create_subprocess_exec(
                *process.command(folder),
                env=process.environment(logs),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=protocol.MAX_JSON,
            )
        assert running.stdout is not None
        result: Message | None = None
        try:
            async for line in running.stdout:
                said = process.said(line)
                if "report" in said:
                    self._progress[session] = {**about, **said["report"]}
                else:
                    result = said["result"]
            code = await running.wait()
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()
        if result is None:
            log.warning("training failed: %s", (folder / "log").read_text(errors="replace")[-4000:])
            raise process.ended(code, folder)
        return result

    def _release(self, session: Session) -> None:
        for folder in self._folders.pop(session, ()):
            process.remove(folder)

    def _status(self, specs: list[ModelSpec]) -> Message:
        return {
            "pid": os.getpid(),
            "started_at": self._started_at,
            "models": [self._model_status(spec) for spec in specs],
        }

    def _model_status(self, spec: ModelSpec) -> Message:
        model = self._cache.peek(spec)
        queue = self._queues.get(spec.key)
        about = {"device": model.device, "engine": model.engine, "bytes": model.bytes} if model else {}
        counts = asdict(self._counts.get(spec.key, Counts()))
        return {
            "name": spec.name,
            "state": self._cache.state(spec),
            **about,
            **counts,
            "queue": len(queue) if queue else 0,
        }

    def _report(self, session: Session, message: Message) -> None:
        if message["report"] is None:
            self._progress.pop(session, None)
        else:
            self._progress[session] = message["report"]

    async def _in(self, threads: ThreadPoolExecutor, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    @staticmethod
    def _check_peer(writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket")
        _, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        if uid not in (0, os.geteuid()):
            raise PermissionError(f"user id {uid} is not the server's")
