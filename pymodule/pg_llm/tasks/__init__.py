"""Tasks: modules that turn inputs into windows for a model, and the model's outputs into results.

A task is a module of its topic with a function `prepare`, and a line in `TASKS`; requests name the task.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from pg_llm.errors import Error
from pg_llm.models.engine import Engine, Window
from pg_llm.models.personal_data import Find, Finder
from pg_llm.models.spec import ModelSpec
from pg_llm.tasks import passages

TASKS = {
    "answering": "pg_llm.search.host.answering",
    "attribution": "pg_llm.explain.host.attribution",
    "catalog_text": "pg_llm.ask.host.catalog_text",
    "chart": "pg_llm.charts.host.rendering",
    "chunk_embedding": "pg_llm.search.host.chunk_embedding",
    "chunking": "pg_llm.search.host.chunking",
    "classification": "pg_llm.classify.host.classification",
    "cleaning": "pg_llm.cleaning.host.values",
    "drift": "pg_llm.training.host.drift",
    "effect": "pg_llm.explain.host.effect",
    "embedding": "pg_llm.search.host.embedding",
    "entities": "pg_llm.classify.host.entities",
    "entity_patterns": "pg_llm.classify.host.entity_patterns",
    "extraction": "pg_llm.generate.host.extraction",
    "federated_gradient": "pg_llm.federation.host.gradient",
    "federated_mask": "pg_llm.federation.host.masking",
    "federated_noise": "pg_llm.federation.host.noise",
    "federation_key": "pg_llm.federation.host.masking",
    "file_encryption": "pg_llm.privacy.host.file_encryption",
    "fingerprint": "pg_llm.privacy.host.fingerprints",
    "generalization": "pg_llm.cleaning.host.generalization",
    "generation": "pg_llm.generate.host.generation",
    "graph_drawing": "pg_llm.graph.host.drawing",
    "graph_prediction": "pg_llm.graph.host.link_prediction",
    "graph_rules": "pg_llm.graph.host.rule_mining",
    "instruction": "pg_llm.cleaning.host.instruction",
    "likeness": "pg_llm.classify.host.label_similarity",
    "optimization": "pg_llm.optimize.host.analysis",
    "parsing": "pg_llm.search.host.parsing",
    "personal_patterns": "pg_llm.privacy.host.patterns",
    "privacy_ledger": "pg_llm.privacy.host.privacy_ledger",
    "private_query": "pg_llm.privacy.host.private_query",
    "private_release": "pg_llm.privacy.host.noise",
    "pseudonym": "pg_llm.privacy.host.revealing",
    "ranking": "pg_llm.search.host.ranking",
    "recommendation": "pg_llm.recommend.host.ranking",
    "redaction": "pg_llm.privacy.host.redaction",
    "redaction_key": "pg_llm.privacy.host.keys",
    "reference_matching": "pg_llm.cleaning.host.reference_matching",
    "relations": "pg_llm.graph.host.relations",
    "semantic_types": "pg_llm.cleaning.host.semantic_types",
    "spelling": "pg_llm.cleaning.host.spelling",
    "rewriting": "pg_llm.generate.host.rewriting",
    "spans": "pg_llm.generate.host.spans",
    "sql_check": "pg_llm.ask.host.sql_check",
    "sql_writing": "pg_llm.ask.host.sql_writing",
    "table_analysis": "pg_llm.cleaning.host.analysis",
    "summarization": "pg_llm.generate.host.summarization",
    "support": "pg_llm.search.host.support",
    "text_vectors": "pg_llm.training.host.text_vectors",
    "value_parsing": "pg_llm.cleaning.host.value_parsing",
}
# What finds personal data in texts that are to leave the server.
_OUTGOING = "pg_llm.privacy.host.outgoing"
# Characters of inputs that are prepared together.
_PORTION = 1 << 18


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One input: the windows that the model reads, and how their outputs become the result.

    `finish` gives the result, or for a long text the next work item, or raises the Error of this text. It is otherwise
    pure, so that a call may be repeated and its result cached.
    """

    windows: Sequence[Window]
    finish: Callable[[Sequence[Any]], str | WorkItem]


# What has become of an input: its result, what is still to be read of it, or why it has none.
Outcome = str | WorkItem | Exception
Steps = Generator[Sequence[Window], Sequence[Any], str]


def stepwise(steps: Steps) -> WorkItem:
    """A work item of several steps: the generator yields windows, is sent their outputs, and returns the result."""
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
    """The interface of a task module.

    It may have `weight(model, options)`, how often the model reads a text, and `is_brief(model, inputs)`, whether
    preparing and finishing these takes less than waking a thread for it.
    """

    def prepare(self, model: Any, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
        """One work item per input, in order. Raises InvalidInput for options that do not fit the model.

        `model` is None for a task that needs none.
        """
        ...


def find(name: str) -> Task:
    """The task of that name."""
    return cast(Task, importlib.import_module(TASKS[name]))


def personal_data_finder(get: Callable[[ModelSpec], Engine]) -> Finder:
    """What finds personal data; `get` gives the models that it reads with."""

    def finder(kinds: Sequence[str] | None, redactors: dict[str, ModelSpec]) -> Find:
        return cast(Find, importlib.import_module(_OUTGOING).Finder(kinds, redactors, get))

    return finder


def windows(works: Sequence[WorkItem]) -> list[Window]:
    """The windows of all work items."""
    return [window for work in works for window in work.windows]


def finish(works: Sequence[WorkItem], outputs: Sequence[Any]) -> Iterator[Outcome]:
    """What becomes of the work items by the outputs for `windows(works)`; an output may be an exception."""
    start = 0
    for work in works:
        yield _finish(work, outputs[start : start + len(work.windows)])
        start += len(work.windows)


def _finish(work: WorkItem, outputs: Sequence[Any]) -> Outcome:
    for output in outputs:
        if isinstance(output, Exception):
            return output
    try:
        return work.finish(outputs)
    except Error as error:
        return error


def take_for(results: Iterator[Outcome], seconds: float) -> list[Outcome]:
    """The results that are ready within the time, one at least if there is one."""
    deadline = time.monotonic() + seconds
    taken = []
    for result in results:
        taken.append(result)
        if time.monotonic() > deadline:
            break
    return taken


def portions(inputs: Sequence[str], weight: int = 1) -> Iterator[Sequence[str]]:
    """The inputs in portions that are prepared together; `weight` is how often the model reads each."""
    start = total = 0
    for position, text in enumerate(inputs):
        size = min(len(text), passages.MAX_LENGTH) * weight
        if position > start and total + size > _PORTION:
            yield inputs[start:position]
            start, total = position, 0
        total += size
    if start < len(inputs):
        yield inputs[start:]
