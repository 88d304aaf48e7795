"""The model host's server: accepts connections of this cluster's user, and dispatches and counts requests."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, cast

from pg_llm import protocol, tasks
from pg_llm.errors import Error, from_exception, to_wire
from pg_llm.installation import build
from pg_llm.models import loading, source
from pg_llm.models.engine import Engine
from pg_llm.models.model_cache import ModelCache
from pg_llm.models.spec import ModelSpec
from pg_llm.protocol import Message
from pg_llm.runtime import result_cache
from pg_llm.runtime.request_memory import Memory
from pg_llm.runtime.result_cache import ResultCache
from pg_llm.runtime.scheduler import ModelQueue, Session
from pg_llm.runtime.session_workers import SessionWorkers
from pg_llm.runtime.training import process
from pg_llm.runtime.training.queue import TrainingQueue
from pg_llm.runtime.usage import Account, Ledger, Spent
from pg_llm.tasks import worker_process
from pg_llm.tasks.batching import BatchFailed

log = logging.getLogger("pg_llm.runtime")
_T = TypeVar("_T")
_UCRED = struct.Struct("3i")
# Seconds of work after which a thread goes to another request.
_SLICE = 0.05
# Bytes that are read at once of texts that are discarded.
_DISCARDED = 1 << 20
# Endpoints and downloads that are waited for at a time.
_MOST_REMOTE = 64


@dataclass(slots=True)
class Counts:
    """Work done by one model since the host started."""

    calls: int = 0
    rows: int = 0
    memo_hits: int = 0


class Server:
    """Answers every session of one cluster; `logs` is a folder for TensorBoard, `leave` ends the process."""

    def __init__(
        self,
        cache: ModelCache,
        results: ResultCache,
        memory: Memory,
        ledger: Ledger,
        logs: str | None,
        leave: Callable[[], None],
    ) -> None:
        self._cache = cache
        self._results = results
        self._memory = memory
        self._ledger = ledger
        self._leave = leave
        self._started_at = time.time()
        # Slices of a model's work are short; loading and tasks without a model take longer and have other threads.
        self._threads = ThreadPoolExecutor(4)
        self._loaders = ThreadPoolExecutor(4)
        # Endpoints that do not answer, and downloads, hold up nothing but each other: their threads only wait.
        self._remote = ThreadPoolExecutor(_MOST_REMOTE)
        self._libraries = ThreadPoolExecutor(4)
        # Each waits for a process that takes one processor, perhaps for minutes.
        self._waiting = ThreadPoolExecutor(max(2, (os.cpu_count() or 2) // 2))
        self._workers = SessionWorkers(functools.partial(self._in_thread, self._waiting))
        self._loading: dict[str, asyncio.Future[Engine]] = {}
        self._queues: dict[str, ModelQueue] = {}
        self._counts: dict[str, Counts] = {}
        self._progress: dict[Session, Message] = {}
        self._sessions = itertools.count()
        self._trainings = TrainingQueue(self._progress, functools.partial(self._in_thread, self._loaders), logs)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the other side closes it; requests that are running are then cancelled."""
        session = next(self._sessions)
        running: set[asyncio.Task[None]] = set()
        try:
            self._check_peer(writer)
            while True:
                message, refused = await self._read(reader)
                # A session from before the last installation is served as far as possible.
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
            self._trainings.forget_rows(session)
            writer.close()
            # A training's folder can be removed only once its process is gone.
            await asyncio.gather(*running, return_exceptions=True)
            self._trainings.release(session)
            self._workers.end(session)

    async def _read(self, reader: asyncio.StreamReader) -> tuple[Message, Error | None]:
        """One request; for a request whose texts exceed the memory limit, the error in place of its texts."""
        size = protocol.size(await reader.readexactly(protocol.HEADER.size))
        message = protocol.decode(await reader.readexactly(size))
        left = protocol.texts_size(message)
        try:
            self._memory.check(left)
        except Error as error:
            while left:
                left -= len(await reader.readexactly(min(left, _DISCARDED)))
            return message, error
        return protocol.complete(message, await reader.readexactly(left)), None

    async def _answer(
        self, session: Session, message: Message, refused: Error | None, writer: asyncio.StreamWriter
    ) -> None:
        answer: Message = {}
        inputs = message.get("inputs") or ()
        try:
            if refused:
                raise refused
            with self._memory.reserved(sum(map(len, inputs))):
                result = await self._dispatch(session, message)
            run = message.get("op") == "run"
            answer = protocol.answered(result, "errors" in message.get("reads", ())) if run else {"result": result}
        except Error as error:
            answer = {"error": to_wire(error)}
        except Exception as error:
            log.exception("request %s failed", message.get("op"))
            answer = {"error": to_wire(from_exception(error, hint="See pg_llm/host.log in the data directory."))}
        answer["id"] = message.get("id")
        # A caller of an older release reads JSON only, without texts after it.
        writer.write(protocol.encode(answer, plain="texts" not in message.get("reads", ())))
        await writer.drain()

    async def _dispatch(self, session: Session, message: Message) -> Any:
        match message["op"]:
            case "run":
                return await self._run(session, message)
            case "measure":
                return await self._measure(session, message)
            case "load":
                return loading.describe(await self._model(ModelSpec.from_wire(message["model"])))
            case "unload":
                return self._cache.drop(ModelSpec.from_wire(message["model"]))
            case "resolve":
                unresolved = ModelSpec.from_wire(message["model"])
                spec = await self._in_thread(self._remote, lambda: loading.resolve(unresolved))
                return {**spec.to_wire(), **loading.describe(await self._model(spec))}
            case "work":
                return [await self._workers.call(session, message)]
            case "status":
                return self._status([ModelSpec.from_wire(wire) for wire in message["models"]])
            case "report":
                self._report(session, message)
                return None
            case "rows":
                self._trainings.add_rows(session, message["inputs"])
                return None
            case "train":
                return await self._trainings.train(session, message["job"], message["about"], message.get("rows", []))
            case "release":
                self._progress.pop(session, None)
                await self._in_thread(self._loaders, lambda: self._trainings.release(session))
                return None
            case "forget":
                spec = ModelSpec.from_wire(message["model"])
                self._cache.drop(spec)
                return await self._in_thread(self._loaders, lambda: loading.forget(spec))
            case "forget_texts":
                self._results.forget(message["inputs"])
                await self._in_thread(self._loaders, lambda: process.remove_abandoned_with(message["inputs"]))
                return None
            case "progress":
                return list(self._progress.values())
            case unknown:
                raise Error(f'the model host does not know the request "{unknown}"')

    async def _measure(self, session: Session, message: Message) -> Message:
        """The result of each text, or its error, and what they have cost."""
        spent = Spent()
        results = await self._run(session, message, spent)
        return {**protocol.answered(results, True), "cost": spent.cost(message["model"]["options"])}

    async def _run(self, session: Session, message: Message, measured: Spent | None = None) -> list[str | Error]:
        """The result of each text, or its error; what was computed is kept for the next request even if this fails.

        What it costs is added to `measured`, if that is given; nothing that is kept is used then.
        """
        spec = ModelSpec.from_wire(message["model"]) if message["model"] else None
        inputs, options = message["inputs"], message["options"]
        key, scope = spec.key if spec else "", result_cache.scope(message["task"], options)
        results: dict[str, str | Error] = {}
        if measured is None:
            results.update(self._results.get_many(key, scope, inputs))
        # A repeated text is computed once.
        missing = [text for text in dict.fromkeys(inputs) if text not in results]
        if spec:
            counts = self._counts.setdefault(key, Counts())
            counts.calls += 1
            counts.rows += len(inputs)
            counts.memo_hits += len(inputs) - len(missing)
        account = Account.from_wire(message["account"]) if spec and message.get("account") else None

        def check() -> None:
            if account:
                self._ledger.check(account)

        if missing:
            check()
        spent = measured or Spent()
        spent.texts, spent.cache_hits = len(inputs), len(inputs) - len(missing)
        outcomes: list[tasks.Outcome] = []
        with self._ledger.charged(account, spec.name, spec.options, spent) if spec and account else nullcontext():
            if missing:
                outcomes = await self._compute(session, spec, message["task"], missing, options, spent, check)
        computed = dict(zip(missing, outcomes, strict=False))
        kept = {text: outcome for text, outcome in computed.items() if isinstance(outcome, str)}
        self._results.put_many(key, scope, kept)
        for text, outcome in computed.items():
            if isinstance(outcome, BatchFailed):
                raise outcome.error
            results[text] = cast(str | Error, outcome)
        return [results[text] for text in inputs]

    async def _compute(
        self,
        session: Session,
        spec: ModelSpec | None,
        name: str,
        inputs: list[str],
        options: Message,
        spent: Spent,
        check: Callable[[], None],
    ) -> list[tasks.Outcome]:
        """What becomes of the inputs, in order, up to the portion in which the request failed as a whole.

        `check` raises an Error where no more may be spent.
        """
        task = tasks.find(name)
        model = await self._model(spec) if spec else None
        threads = self._threads if spec else self._libraries
        weight = task.weight(model, options) if hasattr(task, "weight") else 1
        # Two threads less to wait for: row by row llm_embed is faster by a sixth.
        is_brief = hasattr(task, "is_brief") and task.is_brief(model, inputs)
        results: list[tasks.Outcome] = []
        for portion in tasks.portions(inputs, weight):
            prepare = functools.partial(task.prepare, model, portion, options)
            prepared = prepare() if is_brief else await self._in_thread(threads, prepare, spent)
            items: list[tasks.Outcome] = list(prepared)
            # Long texts are read in steps, between which other sessions have their turn.
            while unfinished := [place for place, item in enumerate(items) if isinstance(item, tasks.WorkItem)]:
                works = [cast(tasks.WorkItem, items[place]) for place in unfinished]
                outputs: Sequence[Any] = ()
                if spec and model:
                    windows = tasks.windows(works)
                    try:
                        check()
                    except Error as error:
                        outputs = [BatchFailed(error)] * len(windows)
                    else:
                        outputs = await self._queue(spec, model).submit(session, windows, spent)
                finishing = tasks.finish(works, outputs)
                finished: list[tasks.Outcome] = list(finishing) if is_brief else []
                while len(finished) < len(works):
                    finished += await self._in_thread(
                        threads, functools.partial(tasks.take_for, finishing, _SLICE), spent
                    )
                for place, item in zip(unfinished, finished, strict=True):
                    items[place] = item
            results += items
            if any(isinstance(item, BatchFailed) for item in items):
                break
        return results

    async def _model(self, spec: ModelSpec) -> Engine:
        """The model, loaded once for all requests that wait for it."""
        if self._cache.peek(spec) is not None:
            return self._cache.get(spec)
        if spec.key not in self._loading:
            threads = self._remote if source.is_endpoint(spec.source) else self._loaders
            loading = asyncio.ensure_future(self._in_thread(threads, lambda: self._cache.get(spec)))
            self._loading[spec.key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(spec.key))
        return await asyncio.shield(self._loading[spec.key])

    def _queue(self, spec: ModelSpec, model: Engine) -> ModelQueue:
        if spec.key not in self._queues:
            self._queues[spec.key] = ModelQueue.of(model, lambda: self._cache.get(spec))
        return self._queues[spec.key]

    def _status(self, specs: list[ModelSpec]) -> Message:
        return {
            "pid": os.getpid(),
            "started_at": self._started_at,
            "models": [self._model_status(spec) for spec in specs],
        }

    def _model_status(self, spec: ModelSpec) -> Message:
        model = self._cache.peek(spec)
        queue = self._queues.get(spec.key)
        loaded = {"device": model.device, "engine": model.engine, "bytes": model.bytes} if model else {}
        counts = asdict(self._counts.get(spec.key, Counts()))
        return {
            "name": spec.name,
            "state": self._cache.state(spec),
            **loaded,
            **counts,
            "queue": len(queue) if queue else 0,
        }

    def _report(self, session: Session, message: Message) -> None:
        if message["report"] is None:
            self._progress.pop(session, None)
        else:
            self._progress[session] = message["report"]

    async def _in_thread(self, threads: ThreadPoolExecutor, call: Callable[[], _T], spent: Spent | None = None) -> _T:
        gone = threading.Event()

        def run() -> _T:
            worker_process.caller.gone, worker_process.caller.spent = gone, spent
            return call()

        try:
            return await asyncio.get_running_loop().run_in_executor(threads, run)
        except asyncio.CancelledError:
            # A process that works for this call is ended, and a call that waits for one gives up.
            gone.set()
            raise

    @staticmethod
    def _check_peer(writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket")
        _, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        if uid not in (0, os.geteuid()):
            raise PermissionError(f"user id {uid} is not the server's")
