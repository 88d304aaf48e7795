"""Processes that work for one session: they remember what it told them before, and end with it."""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict
from collections.abc import Awaitable, Callable

from pg_llm.protocol import Message
from pg_llm.runtime.scheduler import Session
from pg_llm.tasks.worker_process import WorkerProcess

InThread = Callable[[Callable[[], str]], Awaitable[str]]


class SessionWorkers:
    """One process for each session and task; `in_thread` runs what would block the event loop."""

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._workers: defaultdict[Session, dict[str, tuple[WorkerProcess, asyncio.Lock]]] = defaultdict(dict)

    async def call(self, session: Session, message: Message) -> str:
        """The answer of the process to the options and texts of a message; messages are answered in their order."""
        own = self._workers[session]
        if message["task"] not in own:
            own[message["task"]] = WorkerProcess(message["task"], None), asyncio.Lock()
        worker, turn = own[message["task"]]
        async with turn:
            return await self._in_thread(functools.partial(worker.call, message["options"], *message["inputs"]))

    def end(self, session: Session) -> None:
        """End the processes of a session."""
        for worker, _ in self._workers.pop(session, {}).values():
            worker.end()
