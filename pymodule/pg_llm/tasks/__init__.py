"""Tasks: what is made of a model's outputs. A task is a module here with a function `prepare`.

The module's name is the task's name in a request; adding a task adds a module.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from pg_llm.models.engine import Encoded


@dataclass(frozen=True, slots=True)
class Work:
    """One input: the windows that the model reads, and how their outputs become the result.

    `finish` is pure, so that a call may be repeated and its result remembered.
    """

    windows: Sequence[Encoded]
    finish: Callable[[Sequence[Any]], str]


class Task(Protocol):
    """What every task module offers."""

    def prepare(self, model: Any, inputs: Sequence[str], options: dict[str, Any]) -> list[Work]:
        """One piece of work per input, in order. Raises InvalidInput for options that do not fit the model.

        A task that needs no model is given None.
        """
        ...


def named(name: str) -> Task:
    """The task of that name."""
    return cast(Task, importlib.import_module(f"{__name__}.{name}"))


def windows(works: Sequence[Work]) -> list[Encoded]:
    """What a model has to read for all of the works."""
    return [window for work in works for window in work.windows]


def finish(works: Sequence[Work], outputs: Sequence[Any]) -> list[str]:
    """The results of the works, from the outputs for `windows(works)`."""
    results = []
    start = 0
    for work in works:
        results.append(work.finish(outputs[start : start + len(work.windows)]))
        start += len(work.windows)
    return results
