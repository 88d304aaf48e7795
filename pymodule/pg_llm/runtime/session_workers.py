"""Processes that work for one session: they remember what it told them before, and end with it.

Those that wait for their session's next message may together take as much memory as one that works.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pg_llm.protocol import Message
from pg_llm.runtime.scheduler import Session
from pg_llm.tasks import worker_process
from pg_llm.tasks.worker_process import WorkerProcess

InThread = Callable[[Callable[[], str]], Awaitable[str]]


@dataclass(slots=True)
class _Worker:
    process: WorkerProcess
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class SessionWorkers:
    """One process for each session and task; `in_thread` runs what would block the event loop."""

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        # The one that was used last comes last.
        self._workers: OrderedDict[tuple[Session, str], _Worker] = OrderedDict()

    async def call(self, session: Session, message: Message) -> str:
        """The answer of the process to the options and texts of a message; messages are answered in their order."""
        place = session, message["task"]
        if place not in self._workers:
            self._workers[place] = _Worker(WorkerProcess(message["task"], None))
        worker = self._workers[place]
        async with worker.turn:
            self._workers.move_to_end(place)
            idle = self._surplus()

            def work() -> str:
                for process in idle:
                    process.end()
                return worker.process.call(message["options"], *message["inputs"])

            return await self._in_thread(work)

    def end(self, session: Session) -> None:
        """End the processes of a session."""
        for place in [place for place in self._workers if place[0] == session]:
            self._workers.pop(place).process.end()

    def _surplus(self) -> list[WorkerProcess]:
        """Those that have waited longest, where all that wait take too much; what they knew is asked for again."""
        waiting = [worker.process for worker in self._workers.values() if not worker.turn.locked()]
        sizes = [process.size() for process in waiting]
        return [
            process
            for place, process in enumerate(waiting)
            if sizes[place] and sum(sizes[place:]) > worker_process.memory_limit
        ]
