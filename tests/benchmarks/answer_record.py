"""Answers that took long, with what they cost; RECORD=FILE keeps them, so that a run which was ended goes on."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ask_scores import Answered
from hosts import hosts
from nl2sql import Question
from workbench.cluster import Cluster

_TICKS = os.sysconf("SC_CLK_TCK")


class Record:
    """Answers by the proposer's name and the question; their seconds on the clock and on all processors."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._file = Path(os.environ["RECORD"]) if "RECORD" in os.environ else None
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file and self._file.exists() else []
        self._kept: dict[tuple[str, str, str], dict[str, Any]] = {}
        for each in map(json.loads, lines):
            self._kept[each["proposer"], each["database"], each["question"]] = each

    def of(self, proposer: str, question: Question, answer: Callable[[], list[Answered]]) -> Answered:
        """The kept answer, or the one that is given now."""
        key = (proposer, question.database, question.text)
        if key not in self._kept:
            before = self._processor_seconds()
            (found,) = answer()
            self._kept[key] = {
                "proposer": proposer,
                "database": question.database,
                "question": question.text,
                "sure": found.sure,
                "confidence": found.confidence,
                "good": found.good,
                "seconds": found.seconds,
                "processor": self._processor_seconds() - before,
                "sql": found.sql,
            }
            if self._file:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(self._kept[key], ensure_ascii=False) + "\n")
        kept = self._kept[key]
        return Answered(question, kept["sure"], kept["confidence"], kept["good"], kept["seconds"], kept["sql"])

    def processor_seconds(self, answers: Sequence[Answered], proposer: str) -> float:
        """The mean of the answers' seconds on all processors."""
        kept = (self._kept[proposer, each.question.database, each.question.text] for each in answers)
        return sum(float(each["processor"]) for each in kept) / len(answers)

    def _processor_seconds(self) -> float:
        """What the server, its model hosts and all that they started have worked."""
        parents: dict[int, int] = {}
        worked: dict[int, float] = {}
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = (each / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                parents[int(each.name)] = int(fields[1])
                # Of itself, and of children that have ended.
                worked[int(each.name)] = sum(map(int, fields[11:15])) / _TICKS
        ours = {*hosts(self._cluster.data), *filter(None, [self._cluster.pid])}
        while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
            ours |= more
        return sum(worked.get(pid, 0.0) for pid in ours)
