"""Tasks: what a model is asked to do. A task is a module here with `prepare`, `run` and `describe`.

The module's name is the task's name in the registry; adding a task adds a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any, Protocol, cast

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import EmbeddingEngine, Encoded


class Task(Protocol):
    """What every task module offers; `run` is pure, so that a call may be repeated and its result remembered."""

    def prepare(self, model: EmbeddingEngine, inputs: Sequence[str], options: dict[str, Any]) -> list[Encoded]:
        """One unit of work per input, in order."""
        ...

    def run(self, model: EmbeddingEngine, batch: Sequence[Encoded]) -> list[str]:
        """One result per unit, in order."""
        ...

    def describe(self, model: EmbeddingEngine) -> dict[str, Any]:
        """What the registry keeps about the model."""
        ...


def names() -> list[str]:
    """The tasks there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def named(name: str) -> Task:
    """The task of that name. Raises InvalidInput."""
    if name not in names():
        raise InvalidInput(f'there is no task "{name}"', hint=f"Tasks are: {', '.join(names())}.")
    return cast(Task, importlib.import_module(f"{__name__}.{name}"))


def about(task: str, model: EmbeddingEngine) -> dict[str, Any]:
    """What is known of a loaded model: engine, device, bytes of weights, and what the task says of it."""
    return {"engine": model.engine, "device": model.device, "bytes": model.bytes, **named(task).describe(model)}
