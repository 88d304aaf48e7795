"""Models in the calling process, for `llm.engine = 'backend'`: same tasks, same cache, no socket."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pg_llm import interrupts, settings
from pg_llm.errors import Error, HostUnavailable
from pg_llm.installation import OPENMP_ENV, installation
from pg_llm.protocol import Message

if TYPE_CHECKING:
    from pg_llm.models.cache import ModelCache
    from pg_llm.models.engine import Window
    from pg_llm.models.spec import ModelSpec


def answer(request: Message, poll: Callable[[], object]) -> Any:
    """The result of one request. Raises what the host would report, and what `poll` raises between two batches."""
    _import_from_host()
    from pg_llm.models import loading
    from pg_llm.models.spec import ModelSpec

    if request["model"] is None:
        return _run_without_model(request["task"], request["inputs"], request["options"], poll)
    spec = ModelSpec.from_wire(request["model"])
    match request["op"]:
        case "run":
            return _run(request["task"], spec, request["inputs"], request["options"], poll)
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
# Seconds between two polls while an endpoint is waited for.
_SLICE = 0.05


def train(job: Message, rows: Sequence[Any], report: Callable[[Message], None], poll: Callable[[], object]) -> Any:
    """What the host's answer would be; the training is a process of this backend's."""
    import select
    import subprocess

    from pg_llm.runtime.training import process

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
    found = None
    try:
        while True:
            poll()
            if not select.select([running.stdout], [], [], 0.05)[0]:
                continue
            if not (line := running.stdout.readline()):
                break
            said = process.said(line)
            if "report" in said:
                report(said["report"])
            else:
                found = said["result"]
        running.wait()
    finally:
        with interrupts.deferred():
            running.kill()
            running.wait()
            running.stdout.close()
    if found is None:
        raise process.ended(running.returncode, folder)
    return found


def release() -> None:
    """Remove the folders of trainings."""
    from pg_llm.runtime.training import process

    while _folders:
        process.remove(_folders.pop())


def _run(task: str, spec: ModelSpec, inputs: list[str], options: Message, poll: Callable[[], object]) -> list[Any]:
    from pg_llm.tasks import batching

    model = _model(spec, poll)
    distinct = list(dict.fromkeys(inputs))

    def forward(batch: Sequence[Window]) -> Any:
        return _computed(spec, lambda: model.forward(batch), poll)

    def read(windows: Sequence[Window]) -> Sequence[Any]:
        return batching.forward(forward, windows, model.batch_tokens, poll)

    results = dict(zip(distinct, _results(task, model, distinct, options, read, poll), strict=True))
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
    """One result per input, in order; long texts are read in steps."""
    from pg_llm import tasks
    from pg_llm.tasks import worker_process

    worker_process.poll = poll
    task = tasks.find(name)
    weight = task.weight(model, options) if hasattr(task, "weight") else 1
    results: list[Any] = []
    for portion in tasks.portions(inputs, weight):
        with _signals_blocked():
            found: list[Any] = list(task.prepare(model, portion, options))
        while left := [place for place, work in enumerate(found) if isinstance(work, tasks.WorkItem)]:
            works = [found[place] for place in left]
            finishing = tasks.finish(works, read(tasks.windows(works)))
            for place in left:
                poll()
                with _signals_blocked():
                    found[place] = next(finishing)
        results += found
    return results


def _model(spec: ModelSpec, poll: Callable[[], object]) -> Any:
    return _computed(spec, lambda: _cache().get(spec), poll)


def _computed(spec: ModelSpec, call: Callable[[], Any], poll: Callable[[], object]) -> Any:
    """What a call of a model gives. An endpoint is waited for in a thread, which whoever gives up leaves behind."""
    from pg_llm.models import source

    if not source.is_endpoint(spec.source):
        with _signals_blocked():
            return call()
    found: Future[Any] = Future()

    def work() -> None:
        try:
            found.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            found.set_exception(error)

    with _signals_blocked():
        threading.Thread(target=work, daemon=True).start()
    while not wait([found], _SLICE).done:
        poll()
    return found.result()


@functools.cache
def _cache() -> ModelCache:
    from pg_llm.models import loading
    from pg_llm.models.cache import ModelCache

    cache = ModelCache(
        lambda spec: loading.loaded(spec, 0, cache.get), loading.weight, settings.size("llm.memory_limit", None)
    )
    return cache


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Threads that a library starts inherit the mask, so that PostgreSQL's handlers only ever run in its own thread."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@functools.cache
def _import_from_host() -> None:
    """Make the model host's packages importable here. Raises HostUnavailable if they are for another Python."""
    packages = Path(installation().site_packages)
    mine = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if packages.parent.name != mine:
        raise HostUnavailable(
            f"llm.engine = 'backend' needs the packages in \"{packages}\" to be for {mine}, which PostgreSQL runs",
            hint="SET llm.engine = 'shared' works with any version, or install pg_llm again with PostgreSQL's Python.",
        )
    sys.path.append(str(packages))
    # Read when the library is loaded.
    os.environ.update(OPENMP_ENV | os.environ)
