"""Engine `backend`: models run in the calling process, with the same tasks and cache as in the host, but no socket."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pg_llm import interrupts, protocol, settings
from pg_llm.errors import Error, HostUnavailable
from pg_llm.installation import OPENMP_ENV, installation
from pg_llm.protocol import Message
from pg_llm.runtime import result_cache
from pg_llm.runtime.result_cache import ResultCache
from pg_llm.runtime.usage import Account, Ledger, Spent

if TYPE_CHECKING:
    from pg_llm.models.engine import Window
    from pg_llm.models.model_cache import ModelCache
    from pg_llm.models.spec import ModelSpec
    from pg_llm.tasks.worker_process import WorkerProcess


def answer(request: Message, poll: Callable[[], object]) -> Any:
    """The result of one request. Raises the errors that the host would send, and what `poll` raises between batches."""
    _import_from_host()
    from pg_llm.models import loading
    from pg_llm.models.spec import ModelSpec

    if request.get("op") == "work":
        return [_work(request, poll)]
    if request["model"] is None:
        return _run_without_model(request["task"], request["inputs"], request["options"], poll)
    spec = ModelSpec.from_wire(request["model"])
    match request["op"]:
        case "run":
            return _run(request, spec, poll)
        case "measure":
            spent = Spent()
            results = _run(request, spec, poll, spent)
            return {**protocol.answered(results, True), "cost": spent.cost(spec.options)}
        case "load":
            return loading.describe(_model(spec, poll))
        case "unload":
            return _cache().drop(spec)
        case "resolve":
            spec = loading.resolve(spec)
            return {**spec.to_wire(), **loading.describe(_model(spec, poll))}
        case unknown:
            raise Error(f'the backend engine does not know the request "{unknown}"')


_folders: list[Path] = []
# Results of requests in which another text failed.
_rescued_results = ResultCache(16 << 20)


def forget_texts(texts: Sequence[str]) -> None:
    """Drop what is remembered of texts that hold one of these, and trainings that were killed and read one."""
    from pg_llm.runtime.training import process

    _rescued_results.forget(texts)
    process.remove_abandoned_with(texts)


# Seconds between two polls while an endpoint is waited for.
_SLICE = 0.05


def train(job: Message, rows: Sequence[Any], report: Callable[[Message], None], poll: Callable[[], object]) -> Any:
    """The result of a training, which runs as a child process of this backend."""
    import select
    import subprocess

    from pg_llm.runtime import configuration, transient
    from pg_llm.runtime.training import process

    transient.place(in_memory=bool(configuration.configured("llm.model_file_key")))
    folder = process.prepare(job, (json.dumps(row) for row in rows))
    _folders.append(folder)
    with (folder / "log").open("wb") as log, interrupts.deferred():
        running = subprocess.Popen(
            process.command(folder),
            env=process.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert running.stdout is not None
    result = None
    try:
        while True:
            poll()
            if not select.select([running.stdout], [], [], 0.05)[0]:
                continue
            if not (line := running.stdout.readline()):
                break
            message = process.parse_message(line)
            if "report" in message:
                report(message["report"])
            else:
                result = message["result"]
        running.wait()
    finally:
        with interrupts.deferred():
            running.kill()
            running.wait()
            running.stdout.close()
    if result is None:
        raise process.failure(running.returncode, folder)
    return result


def release() -> None:
    """Remove the folders of trainings."""
    from pg_llm.runtime.training import process

    while _folders:
        process.remove(_folders.pop())


def _run(request: Message, spec: ModelSpec, poll: Callable[[], object], measured: Spent | None = None) -> list[Any]:
    """The result of each text, or its error; as in the host, `measured` sums up the cost of all of them."""
    from pg_llm.models.engine import is_concurrent
    from pg_llm.tasks import batching, worker_process

    task, inputs, options = request["task"], request["inputs"], request["options"]
    model = _model(spec, poll)
    key, scope = spec.key, result_cache.scope(task, options)
    results: dict[str, Any] = {}
    if measured is None:
        results.update(_rescued_results.get_many(key, scope, inputs))
    distinct = [text for text in dict.fromkeys(inputs) if text not in results]

    def forward(batch: Sequence[Window]) -> Any:
        return _call(spec, lambda: model.forward(batch), poll)

    account = Account.from_wire(request["account"]) if request.get("account") else None
    spent = measured or Spent()
    spent.texts, spent.cache_hits = len(inputs), len(inputs) - len(distinct)

    def check() -> None:
        if account:
            _ledger().check(account)

    def read(windows: Sequence[Window]) -> Sequence[Any]:
        try:
            check()
        except Error as error:
            return [batching.BatchFailed(error)] * len(windows)
        started = time.monotonic()
        # Of a cancelled call it is not known what the model had read: it pays for all of these.
        outputs: Sequence[Any] = [None] * len(windows)
        try:
            if is_concurrent(model):
                outputs = batching.forward_concurrently(model, windows, poll, _SLICE)
            else:
                outputs = batching.forward(forward, windows, model.batch_tokens, poll)
        finally:
            spent.seconds += time.monotonic() - started
            spent.count(zip(windows, outputs, strict=True))
        return outputs

    if distinct:
        check()
    worker_process.caller.spent = spent
    try:
        with _ledger().charged(account, spec.name, spec.options, spent) if account else contextlib.nullcontext():
            results.update(zip(distinct, _results(task, model, distinct, options, read, poll), strict=False))
    finally:
        worker_process.caller.spent = None
    failures = [result for result in results.values() if isinstance(result, Exception)]
    if failures:
        # Another call pays only for the others.
        _rescued_results.put_many(key, scope, {text: each for text, each in results.items() if isinstance(each, str)})
    for failure in failures:
        if isinstance(failure, batching.BatchFailed):
            raise failure.error
    return [results[text] for text in inputs]


def _run_without_model(task: str, inputs: list[str], options: Message, poll: Callable[[], object]) -> list[Any]:
    return _results(task, None, inputs, options, lambda _: (), poll)


def _results(
    name: str,
    model: Any,
    inputs: Sequence[str],
    options: Message,
    read: Callable[[Sequence[Window]], Sequence[Any]],
    poll: Callable[[], object],
) -> list[Any]:
    """What becomes of the inputs, up to the portion in which the request failed as a whole; long ones go in steps."""
    from pg_llm import tasks
    from pg_llm.tasks import batching, worker_process

    worker_process.poll = _with_signals(poll)
    task = tasks.find(name)
    weight = task.weight(model, options) if hasattr(task, "weight") else 1
    results: list[Any] = []
    for portion in tasks.portions(inputs, weight):
        with _signals_blocked():
            items: list[Any] = list(task.prepare(model, portion, options))
        while unfinished := [place for place, item in enumerate(items) if isinstance(item, tasks.WorkItem)]:
            works = [items[place] for place in unfinished]
            finishing = tasks.finish(works, read(tasks.windows(works)))
            for place in unfinished:
                poll()
                with _signals_blocked():
                    items[place] = next(finishing)
        results += items
        if any(isinstance(item, batching.BatchFailed) for item in items):
            break
    return results


def _work(request: Message, poll: Callable[[], object]) -> str:
    """The answer of this session's own process for a task, which remembers what it was told before."""
    from pg_llm.tasks import worker_process

    worker_process.poll = poll
    return _worker(request["task"]).call(request["options"], *request["inputs"])


@functools.cache
def _worker(task: str) -> WorkerProcess:
    from pg_llm.tasks.worker_process import WorkerProcess

    return WorkerProcess(task, None)


def _model(spec: ModelSpec, poll: Callable[[], object]) -> Any:
    return _call(spec, lambda: _cache().get(spec), poll)


def _call(spec: ModelSpec, call: Callable[[], Any], poll: Callable[[], object]) -> Any:
    """The result of `call`; an endpoint is called in a thread, which a cancelled query leaves behind."""
    from pg_llm.models import source

    if not source.is_endpoint(spec.source):
        with _signals_blocked():
            return call()
    future: Future[Any] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
            future.set_exception(error)

    with _signals_blocked():
        threading.Thread(target=work, daemon=True).start()
    while not wait([future], _SLICE).done:
        poll()
    return future.result()


@functools.cache
def _cache() -> ModelCache:
    from pg_llm import tasks
    from pg_llm.models import loading
    from pg_llm.models.model_cache import ModelCache

    finder = tasks.personal_data_finder(lambda spec: cache.get(spec))
    cache = ModelCache(
        lambda spec: loading.load_reporting_errors(spec, 0, cache.get, finder),
        loading.weight,
        settings.size("llm.memory_limit", None),
    )
    return cache


@functools.cache
def _ledger() -> Ledger:
    return Ledger()


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block signals while a library may start threads, so that PostgreSQL's handlers run in its own thread only."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _with_signals(poll: Callable[[], object]) -> Callable[[], object]:
    """`poll` with the signals of now, where it is called while they are blocked: else it would find none."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def call() -> object:
        blocked = signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            return poll()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    return call


@functools.cache
def _import_from_host() -> None:
    """Make the host's packages importable here. Raises HostUnavailable if they are for another Python version."""
    packages = Path(installation().site_packages)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if packages.parent.name != python:
        raise HostUnavailable(
            f"llm.engine = 'backend' needs the packages in \"{packages}\" to be for {python}, which PostgreSQL runs",
            hint="SET llm.engine = 'shared' works with any version, or install pg_llm again with PostgreSQL's Python.",
        )
    sys.path.append(str(packages))
    # Libraries read it when they are loaded.
    os.environ.update(OPENMP_ENV | os.environ)
