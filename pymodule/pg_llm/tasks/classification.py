"""Texts to probabilities of labels, by whatever the model is.

Options: `labels`, a list of [name, description or null], null for those the model was trained on; `many`, whether
several labels may apply; `examples`, a list of [text, [labels]]; `variant`, which wording of the question, from 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.tasks import Work, _classifier, _entailment, _similarity

# Of the texts prepared: their windows, and from the outputs for these the probabilities in the order of the labels.
Prepared = list[tuple[Sequence[Any], Callable[[Sequence[Any]], Any]]]


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[Work]:
    """The result is a JSON object of label and probability, in the order of the labels."""
    if model.task == "embedding":
        way: Any = _similarity
    elif model.task == "generation":
        from pg_llm.tasks import _likelihood

        way = _likelihood
    else:
        way = _classifier if "labels" in model.details else _entailment
    names, prepared = way.prepare(model, inputs, options)
    return [Work(windows, _Finish(names, probabilities)) for windows, probabilities in prepared]


class _Finish:
    def __init__(self, names: Sequence[str], probabilities: Callable[[Sequence[Any]], Any]) -> None:
        self._names = names
        self._probabilities = probabilities

    def __call__(self, outputs: Sequence[Any]) -> str:
        found = [round(float(value), 6) for value in self._probabilities(outputs)]
        return json.dumps(dict(zip(self._names, found, strict=True)), ensure_ascii=False)
