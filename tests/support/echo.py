"""A model that needs no files: it embeds and answers the same way every time, keeps what it was asked, fails on demand.

`EchoEngine` stands where a loaded model stands (code that runs in the host); `EchoHost` stands where the host stands
(code that runs in a backend): `EchoHost(monkeypatch)` takes the place of `runtime.client`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pg_llm.models.engine import Window
from pg_llm.runtime import client

DIMENSIONS = 16


def vector(text: str) -> list[float]:
    """A unit vector in which each word, without regard to case, has a place: texts that share words are alike."""
    values = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.sha256(word.encode()).digest()
        values[digest[0] % DIMENSIONS] += 1.0 if digest[1] % 2 else -1.0
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values] if length else [1.0] + [0.0] * (DIMENSIONS - 1)


class EchoEngine:
    """A loaded model: embeds by `vector`, writes what `answers` says of a prompt, or the prompt's last line.

    A text has one window for each `window` characters. `read` has the text of every window that was read.
    """

    engine = device = "echo"
    bytes = 0
    batch_tokens = 1000

    def __init__(
        self,
        task: str = "embedding",
        details: dict[str, Any] | None = None,
        forward: Callable[[str], Any] | None = None,
        window: int = 1000,
    ) -> None:
        self.task = task
        self.details = details or {}
        self.window = window
        self.prompts: dict[str, str] = {}
        self.read: list[str] = []
        self.failure: Exception | None = None
        self._forward = forward

    def encode(self, texts: Sequence[Any], overlap: int = 0) -> list[list[Window]]:
        windows = []
        for text in texts:
            first = text if isinstance(text, str) else "\n".join(text)
            parts = [first[start : start + self.window] for start in range(0, max(len(first), 1), self.window)]
            windows.append([Window(part, len(part.split()) or 1) for part in parts])
        return windows

    def prompt(self, messages: Sequence[dict[str, str]], sampling: Any) -> Window:
        text = "\n".join(message["content"] for message in messages)
        return Window(text, len(text.split()) or 1)

    def truncate(self, text: str) -> str:
        return text

    def forward(self, batch: Sequence[Window]) -> Any:
        if self.failure is not None:
            raise self.failure
        texts = [window.tokens for window in batch]
        self.read += texts
        if self._forward is not None:
            return [self._forward(text) for text in texts]
        if self.task == "embedding":
            import numpy as np

            return np.asarray([vector(text) for text in texts], dtype=np.float32)
        return [text.rsplit("\n", 1)[-1] for text in texts]


def run(works: Sequence[Any], model: Any) -> list[str]:
    """The results of a task's pieces of work, read by a model as the scheduler would."""
    results = []
    for work in works:
        step: Any = work
        while not isinstance(step, str):
            step = step.finish(model.forward(step.windows) if step.windows else [])
        results.append(step)
    return results


@dataclass(frozen=True)
class Request:
    """What was asked of the host."""

    task: str
    model: str | None
    inputs: list[str]
    options: dict[str, Any]


Answer = Callable[[Sequence[str], dict[str, Any]], Sequence[Any]]


@dataclass
class EchoHost:
    """Answers in place of the model host. `answers` maps a task to a function of inputs and options."""

    monkeypatch: pytest.MonkeyPatch
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    failure: Exception | None = None

    def __post_init__(self) -> None:
        for task in ("embedding", "text_vectors"):
            self.answers.setdefault(task, lambda inputs, options: [json.dumps(vector(text)) for text in inputs])
        self.answers.setdefault("generation", lambda inputs, options: [text.rsplit("\n", 1)[-1] for text in inputs])
        self.answers.setdefault("chunking", lambda inputs, options: [json.dumps(_lines(text)) for text in inputs])
        self.answers.setdefault("fingerprint", lambda inputs, options: ['["k", "0f"]' for _ in inputs])
        self.monkeypatch.setattr(client, "run", self._run)
        self.monkeypatch.setattr(client, "ask", self._ask)
        self.monkeypatch.setattr(client, "inform", lambda request, poll: None)
        self.monkeypatch.setattr(client, "inquire", lambda request, poll: None)

    def _run(
        self,
        engine: str,
        task: str,
        model: Any,
        inputs: Sequence[str],
        options: Any,
        poll: Any,
        account: Any = None,
    ) -> list[Any]:
        self.requests.append(Request(task, model and model["name"], list(inputs), dict(options)))
        if self.failure is not None:
            raise self.failure
        assert task in self.answers, f"no answer is known for the task {task}"
        results = list(self.answers[task](inputs, options))
        assert len(results) == len(inputs)
        return results

    def _ask(self, engine: str, requests: Sequence[Any], poll: Any) -> list[Any]:
        if self.failure is not None:
            raise self.failure
        return [self._about(request) for request in requests]

    def _about(self, request: Any) -> Any:
        name = request["model"]["name"] if request.get("model") else None
        self.requests.append(Request(request["op"], name, [], {}))
        assert request["op"] in self.answers or request["op"] in ("load", "resolve", "unload"), request["op"]
        if request["op"] in self.answers:
            return self.answers[request["op"]]([], request)[0]
        return {**request["model"], "dimensions": DIMENSIONS, "digest": "ec40", "labels": None, "details": {}}


def _lines(text: str) -> list[tuple[int, int]]:
    """A chunk for each line that is not blank."""
    return [place.span() for place in re.finditer(r"[^\n]*\S[^\n]*", text)]


def registered(name: str = "echo", task: str = "embedding", **more: Any) -> dict[str, Any]:
    """A row as `database.models.find` reads it: `db.answer("LEFT JOIN llm.model AS m", [registered()])`."""
    row = {
        "wanted": name,
        "engine": "shared",
        "name": name,
        "task": task,
        "source": "path:/echo",
        "revision": None,
        "digest": "ec40",
        "options": "{}",
        "base": None,
        "dimensions": DIMENSIONS,
        "labels": None,
    }
    return row | more
