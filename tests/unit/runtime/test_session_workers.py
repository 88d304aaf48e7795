"""Processes of sessions: each keeps its own, and those that wait take no more than one may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from pg_llm.errors import AnalysisLost
from pg_llm.runtime.session_workers import SessionWorkers
from pg_llm.tasks import worker_process


async def in_thread(call: Callable[[], str]) -> str:
    return await asyncio.to_thread(call)


def message(do: str, *texts: str) -> dict[str, object]:
    return {"task": "table_analysis", "options": {"do": do, "columns": ["a"], "column": 0}, "inputs": texts}


def test_those_that_wait_longest_end_where_all_take_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        workers = SessionWorkers(in_thread)
        for session in range(3):
            await workers.call(session, message("begin"))
            await workers.call(session, message("rows", f"of session {session}"))
        size = max(worker.process.size() for worker in workers._workers.values())
        assert size > 1 << 20
        # Room for one that waits, and none for another.
        large = worker_process.memory_limit * 2 // 3
        monkeypatch.setattr(worker_process.WorkerProcess, "size", lambda self: large if self._running else 0)
        assert await workers.call(2, message("values")) == '["of session 2"]'
        assert await workers.call(1, message("values")) == '["of session 1"]'
        with pytest.raises(AnalysisLost):
            await workers.call(0, message("values"))
        for session in range(3):
            workers.end(session)
        assert not workers._workers

    asyncio.run(scenario())
