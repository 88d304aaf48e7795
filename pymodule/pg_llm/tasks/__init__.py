"""Tasks: what is made of a model's outputs. A task is a module with a function `prepare`, in the room of its topic.

A request names its task; a new task is a module and a line in `TASKS`.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from pg_llm.models.engine import Window
from pg_llm.tasks import passages

TASKS = {
    "chart": "pg_llm.charts.host.rendering",
    "classification": "pg_llm.classify.host.classification",
    "cleaning": "pg_llm.cleaning.host.values",
    "embedding": "pg_llm.search.host.embedding",
    "entities": "pg_llm.classify.host.entities",
    "extraction": "pg_llm.generate.host.extraction",
    "generation": "pg_llm.generate.host.generation",
    "graph_drawing": "pg_llm.graph.host.drawing",
    "graph_prediction": "pg_llm.graph.host.link_prediction",
    "graph_rules": "pg_llm.graph.host.rule_mining",
    "instruction": "pg_llm.cleaning.host.instruction",
    "likeness": "pg_llm.classify.host.label_similarity",
    "optimization": "pg_llm.optimize.host.analysis",
    "recommendation": "pg_llm.recommend.host.ranking",
    "relations": "pg_llm.graph.host.relations",
    "spelling": "pg_llm.cleaning.host.spelling",
    "sql_check": "pg_llm.ask.host.sql_check",
    "sql_writing": "pg_llm.ask.host.sql_writing",
}
# Characters that are prepared at once.
_PORTION = 1 << 18


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One input: the windows that the model reads, and how their outputs become the result.

    `finish` gives the result, or for a long text more work: what is to be read next. It is pure but for that, so that
    a call may be repeated and its result remembered.
    """

    windows: Sequence[Window]
    finish: Callable[[Sequence[Any]], str | WorkItem]


Steps = Generator[Sequence[Window], Sequence[Any], str]


def stepwise(steps: Steps) -> WorkItem:
    """An input that is read in steps: the generator yields windows, is sent their outputs, and returns the result."""
    try:
        windows = next(steps)
    except StopIteration as end:
        result = str(end.value)
        return WorkItem((), lambda _: result)
    return WorkItem(windows, functools.partial(_step, steps))


def _step(steps: Steps, outputs: Sequence[Any]) -> str | WorkItem:
    try:
        return WorkItem(steps.send(outputs), functools.partial(_step, steps))
    except StopIteration as end:
        return str(end.value)


class Task(Protocol):
    """What every task module offers."""

    def prepare(self, model: Any, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
        """One piece of work per input, in order. Raises InvalidInput for options that do not fit the model.

        A task that needs no model is given None.
        """
        ...


def find(name: str) -> Task:
    """The task of that name."""
    return cast(Task, importlib.import_module(TASKS[name]))


def windows(works: Sequence[WorkItem]) -> list[Window]:
    """What a model has to read for all of the works."""
    return [window for work in works for window in work.windows]


def finish(works: Sequence[WorkItem], outputs: Sequence[Any]) -> Iterator[str | WorkItem]:
    """The results of the works, from the outputs for `windows(works)`; of a long text the work that is left."""
    start = 0
    for work in works:
        yield work.finish(outputs[start : start + len(work.windows)])
        start += len(work.windows)


def take_for(results: Iterator[str | WorkItem], seconds: float) -> list[str | WorkItem]:
    """As many of the results as come within the time, one at least where there is one."""
    until = time.monotonic() + seconds
    found = []
    for result in results:
        found.append(result)
        if time.monotonic() > until:
            break
    return found


def portions(inputs: Sequence[str], weight: int = 1) -> Iterator[Sequence[str]]:
    """The inputs in groups that are prepared at once; `weight` is how often the model reads each."""
    start = taken = 0
    for position, text in enumerate(inputs):
        size = min(len(text), passages.MAX_LENGTH) * weight
        if position > start and taken + size > _PORTION:
            yield inputs[start:position]
            start, taken = position, 0
        taken += size
    if start < len(inputs):
        yield inputs[start:]
