"""The host's side of the socket: who may connect, what each request does, what is counted."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pg_llm import protocol, tasks
from pg_llm.errors import Error, to_wire
from pg_llm.host import memo
from pg_llm.host.memo import Memo
from pg_llm.host.scheduler import ModelQueue, Session
from pg_llm.installation import build
from pg_llm.models import loading
from pg_llm.models.cache import ModelCache
from pg_llm.models.spec import ModelSpec
from pg_llm.protocol import Message
from pg_llm.training import process

log = logging.getLogger("pg_llm.host")
_T = TypeVar("_T")
_UCRED = struct.Struct("3i")


@dataclass(slots=True)
class Counts:
    """What one model was asked since the host started."""

    calls: int = 0
    rows: int = 0
    memo_hits: int = 0


class Server:
    """Answers every session of one cluster; `logs` receives what trainings log, `leave` ends the process."""

    def __init__(self, cache: ModelCache, memo: Memo, logs: str | None, leave: Callable[[], None]) -> None:
        self._cache = cache
        self._logs = logs
        self._memo = memo
        self._leave = leave
        self._started_at = time.time()
        self._threads = ThreadPoolExecutor(4)
        self._queues: dict[str, ModelQueue] = {}
        self._counts: dict[str, Counts] = {}
        self._progress: dict[Session, Message] = {}
        self._sessions = itertools.count()
        # One training at a time: each takes all the processors it gets.
        self._training = asyncio.Lock()
        self._folders: dict[Session, list[Path]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side closes it; what it still waits for is then dropped."""
        session = next(self._sessions)
        running: set[asyncio.Task[None]] = set()
        try:
            self._check_peer(writer)
            while True:
                (size,) = protocol.HEADER.unpack(await reader.readexactly(protocol.HEADER.size))
                if size > protocol.MAX_FRAME:
                    raise ValueError(f"a frame of {size} bytes")
                message = protocol.decode(await reader.readexactly(size))
                # An older caller, a session from before the last installation, is served as far as may be.
                if message["build"] > build():
                    log.info("a newer installation is calling: leaving")
                    self._leave()
                    return
                task = asyncio.create_task(self._answer(session, message, writer))
                running.add(task)
                task.add_done_callback(running.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (ValueError, KeyError, PermissionError) as error:
            log.warning("connection refused: %s", error)
        finally:
            for queue in self._queues.values():
                queue.cancel(session)
            for task in running:
                task.cancel()
            self._progress.pop(session, None)
            writer.close()
            # A training that is being stopped removes its folder itself, once its process is gone.
            await asyncio.gather(*running, return_exceptions=True)
            self._release(session)

    async def _answer(self, session: Session, message: Message, writer: asyncio.StreamWriter) -> None:
        answer: Message = {"id": message.get("id")}
        try:
            answer["result"] = await self._do(session, message)
        except Error as error:
            answer["error"] = to_wire(error)
        except Exception as error:
            log.exception("request %s failed", message.get("op"))
            answer["error"] = to_wire(
                Error(f"{type(error).__name__}: {error}", hint="See pg_llm/host.log in the data directory.")
            )
        writer.write(protocol.encode(answer))
        await writer.drain()

    async def _do(self, session: Session, message: Message) -> Any:
        match message["op"]:
            case "run":
                return await self._run(session, message)
            case "load":
                return await self._load(ModelSpec.from_wire(message["model"]))
            case "unload":
                return self._cache.drop(ModelSpec.from_wire(message["model"]))
            case "resolve":
                spec = await self._in_thread(lambda: loading.resolve(ModelSpec.from_wire(message["model"])))
                return {**spec.to_wire(), **await self._load(spec)}
            case "status":
                return self._status([ModelSpec.from_wire(wire) for wire in message["models"]])
            case "report":
                self._report(session, message)
                return None
            case "train":
                return await self._train(session, message)
            case "release":
                self._progress.pop(session, None)
                await self._in_thread(lambda: self._release(session))
                return None
            case "forget":
                spec = ModelSpec.from_wire(message["model"])
                self._cache.drop(spec)
                return await self._in_thread(lambda: loading.forget(spec))
            case "progress":
                return list(self._progress.values())
            case unknown:
                raise Error(f'the model host does not know the request "{unknown}"')

    async def _run(self, session: Session, message: Message) -> list[str]:
        spec = ModelSpec.from_wire(message["model"]) if message["model"] else None
        inputs, options = message["inputs"], message["options"]
        key, scope = spec.key if spec else "", memo.scope(message["task"], options)
        results = self._memo.recall(key, scope, inputs)
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
            self._memo.keep(key, scope, computed)
            results.update(computed)
        return [results[text] for text in inputs]

    async def _compute(
        self, session: Session, spec: ModelSpec | None, name: str, inputs: list[str], options: Message
    ) -> list[str]:
        task = tasks.named(name)
        if spec is None:
            return await self._in_thread(lambda: tasks.finish(task.prepare(None, inputs, options), ()))
        queue, works = await self._in_thread(lambda: self._prepare(spec, task, inputs, options))
        outputs = await queue.submit(session, tasks.windows(works))
        return await self._in_thread(lambda: tasks.finish(works, outputs))

    def _prepare(
        self, spec: ModelSpec, task: tasks.Task, inputs: list[str], options: Message
    ) -> tuple[ModelQueue, list[tasks.Work]]:
        model = self._cache.get(spec)
        works = task.prepare(model, inputs, options)
        # The model is fetched again for every batch: it may have been evicted while the work was waiting.
        queue = self._queues.setdefault(
            spec.key, ModelQueue(lambda batch: self._cache.get(spec).forward(batch), model.batch_tokens)
        )
        return queue, works

    async def _train(self, session: Session, message: Message) -> Message:
        about = message["about"]
        self._progress[session] = {**about, "phase": "waiting", "done": 0, "total": 1}
        try:
            async with self._training:
                preparing = asyncio.ensure_future(
                    self._in_thread(lambda: process.prepare(message["job"], message["rows"]))
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
                *process.command(folder), env=process.environment(logs), stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=errors, limit=protocol.MAX_FRAME,
            )  # fmt: skip
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

    async def _load(self, spec: ModelSpec) -> Message:
        model = await self._in_thread(lambda: self._cache.get(spec))
        return loading.about(model)

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

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    @staticmethod
    def _check_peer(writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket")
        _, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        if uid not in (0, os.geteuid()):
            raise PermissionError(f"user id {uid} is not the server's")
