"""Tasks that actors of a Ray cluster do; what an actor was doing when it was lost is done by another one.

Plain actors and not Ray Data: they read and write the database themselves, so that only keys of rows pass through Ray.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pg_llm.errors import Error, MissingPackage

try:
    import ray
    from ray.exceptions import RayActorError, RayTaskError
except ModuleNotFoundError as error:
    raise MissingPackage(
        'this needs the Python package "ray", which is not installed here', hint="pip install 'pg_llm[ray]'"
    ) from error

_log = logging.getLogger(__name__)
# Tasks that an actor is given at once, so that it never waits for the next one.
_AHEAD = 2
# Actors that may end with the same task before it is held to be the cause.
_ATTEMPTS = 3
# Seconds until it is said that nothing has been done.
_WAIT = 30.0


@dataclass(eq=False, slots=True)
class _Actor:
    handle: Any
    lost: bool = False


class ActorPool:
    """Actors of a class with the methods `ready()` and `run(task)`, spread over the nodes of a cluster."""

    def __init__(self, address: str | None, count: int, actor: type, *arguments: Any) -> None:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
        self._class = ray.remote(actor).options(scheduling_strategy="SPREAD")
        self._arguments = arguments
        # An actor gets no task before it is ready: one that finds no room in the cluster keeps none from being done.
        self._starting: dict[Any, _Actor] = {}
        self._free: deque[_Actor] = deque()
        for _ in range(count or sum(node["Alive"] for node in ray.nodes())):
            self._start()

    def run(self, tasks: Iterable[str]) -> Iterator[Any]:
        """The result of each task as it comes; tasks are taken only as fast as they are done.

        Raises the error of a task that failed, and Error for one that actors do not survive.
        """
        waiting, repeated = iter(tasks), deque[str]()
        losses: Counter[str] = Counter()
        running: dict[Any, tuple[_Actor, str]] = {}
        while True:
            while self._free and (task := repeated.popleft() if repeated else next(waiting, None)) is not None:
                actor = self._free.popleft()
                running[actor.handle.run.remote(task)] = (actor, task)
            if self._free and not running:
                return
            ended, _ = ray.wait([*self._starting, *running], timeout=_WAIT)
            if not ended:
                _log.info("%d batches are being done; %d actors start.", len(running), len(self._starting))
            for reference in ended:
                if starting := self._starting.pop(reference, None):
                    self._started(starting, reference)
                    continue
                actor, task = running.pop(reference)
                try:
                    result = _result(reference)
                except RayActorError:
                    losses[task] += 1
                    if losses[task] == _ATTEMPTS:
                        raise Error(
                            f"{_ATTEMPTS} actors ended while they were doing the same rows",
                            hint="Ray's logs say why; where memory ran out, start fewer actors.",
                        ) from None
                    repeated.append(task)
                    self._replace(actor)
                else:
                    # Those that were alive just now go first.
                    self._free.appendleft(actor)
                    yield result

    def _start(self) -> None:
        actor = _Actor(self._class.remote(*self._arguments))
        self._starting[actor.handle.ready.remote()] = actor

    def _started(self, actor: _Actor, reference: Any) -> None:
        try:
            _result(reference)
        except RayActorError:
            self._replace(actor)
        else:
            self._free.extend([actor] * _AHEAD)

    def _replace(self, actor: _Actor) -> None:
        if not actor.lost:
            actor.lost = True
            self._free = deque(each for each in self._free if not each.lost)
            _log.info("An actor was lost; another one takes its place.")
            self._start()


def _result(reference: Any) -> Any:
    """What a method returned. Raises its own error, and RayActorError."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from None
