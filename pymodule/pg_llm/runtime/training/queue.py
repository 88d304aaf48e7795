"""Queue of the model host's trainings: one long and one short at a time, each in a process of its own, with reports."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pg_llm.protocol import Message
from pg_llm.runtime.training import dataset, process

Session = int
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


@dataclass(slots=True)
class _Lane:
    """Trainings that have their turns one after the other: which runs, and which wait."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    running: Message | None = None
    waiting: dict[Session, Message] = field(default_factory=dict)


class TrainingQueue:
    """Trains for one session after the other, as each training takes all processors that it gets.

    Short trainings have turns of their own, so that none waits for a long one.
    `reports` receives what each session's training is doing, `logs` is a folder for TensorBoard, `in_thread` runs what
    would block the event loop.
    """

    def __init__(self, reports: dict[Session, Message], in_thread: InThread, logs: str | None) -> None:
        self._reports = reports
        self._in_thread = in_thread
        self._logs = logs
        self._short, self._long = _Lane(), _Lane()
        self._rows: defaultdict[Session, list[str]] = defaultdict(list)
        self._folders: defaultdict[Session, list[Path]] = defaultdict(list)

    def add_rows(self, session: Session, rows: list[str]) -> None:
        """Keep rows for the session's next training."""
        self._rows[session] += rows

    async def train(self, session: Session, job: Message, fields: Message, rows: list[Any]) -> Message:
        """The result of a training, whose folder stays until `release`; `fields` is part of each of its reports.

        Its rows are those that were added before, or `rows` of a caller that sends them with the job.
        """
        texts = self._rows.pop(session, None) or [json.dumps(row) for row in rows]
        lane = self._short if dataset.is_short(job, len(texts)) else self._long
        lane.waiting[session] = fields
        self._report_waiting(lane)
        try:
            async with lane.turn:
                lane.waiting.pop(session, None)
                lane.running = fields
                self._report_waiting(lane)
                folder = await self._prepare(job, texts)
                self._folders[session].append(folder)
                return await self._run(session, folder, fields)
        finally:
            if lane.running is fields:
                lane.running = None
            lane.waiting.pop(session, None)
            self._reports.pop(session, None)
            self._report_waiting(lane)

    def release(self, session: Session) -> None:
        """Remove the folders of the session's trainings."""
        for folder in self._folders.pop(session, ()):
            process.remove(folder)

    def forget_rows(self, session: Session) -> None:
        """Drop rows that no training has used."""
        self._rows.pop(session, None)

    def _report_waiting(self, lane: _Lane) -> None:
        for session, fields in lane.waiting.items():
            detail = _blocked_by(lane.running, fields) if lane.running else {}
            self._reports[session] = {**fields, "phase": "waiting", "done": 0, "total": 1, "detail": detail}

    async def _prepare(self, job: Message, rows: list[str]) -> Path:
        preparing = asyncio.ensure_future(self._in_thread(lambda: process.prepare(job, rows)))
        try:
            folder: Path = await asyncio.shield(preparing)
        except asyncio.CancelledError:
            # The thread does not stop with its caller, so the folder that it makes is removed afterwards.
            process.remove(await preparing)
            raise
        return folder

    async def _run(self, session: Session, folder: Path, fields: Message) -> Message:
        """The result of the training process in the folder, whose reports are forwarded."""
        logs = self._logs and f"{self._logs}/{fields['name'].replace('/', '_')}-{datetime.now(UTC):%Y%m%dT%H%M%S}"

        def report(progress: Message) -> None:
            self._reports[session] = {**fields, **progress}

        return await process.run(folder, logs, report)


def _blocked_by(running: Message, fields: Message) -> Message:
    """Which training a waiting one waits for, without the names and texts of other users or databases."""
    same = running.get("datname") == fields.get("datname")
    return {"waits_for": f"a training in {'this' if same else 'another'} database", "pid": running.get("pid")}
