"""Zero-shot classification by an embedding model: how alike the text and each label are."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine
from pg_llm.tasks import _batches, _probability

_WORDINGS = ("This is an example of {}.", "This text is about {}.", "{}")
# Chosen on film reviews, package descriptions and kinds of text, none of them rows that figures are measured on:
# expected calibration error 0.05 to 0.06. Subtracting the similarity to empty texts was tried and did not help.
_TEMPERATURE = 0.05
_SLOPE = 12.0
_BIAS = 0.2
# How much the mean of a label's examples counts beside its description.
_EXAMPLES_WEIGHT = 2.0
_KEPT = 64

_kept: weakref.WeakKeyDictionary[Engine, OrderedDict[str, Any]] = weakref.WeakKeyDictionary()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """One label: softmax of the cosines; many: a sigmoid of each; windows of a long text are averaged."""
    vectors = _reference(model, options)

    def probabilities(outputs: Sequence[Any]) -> Any:
        text = np.mean(outputs, axis=0)
        alike = vectors @ (text / (np.linalg.norm(text) or 1))
        if options["many"]:
            return _probability.sigmoid(_SLOPE * (alike - _BIAS))
        return _probability.softmax(alike / _TEMPERATURE)

    return [name for name, _ in options["labels"]], [(windows, probabilities) for windows in model.encode(inputs)]


def _reference(model: Engine, options: dict[str, Any]) -> Any:
    """The labels' unit vectors, kept for the next call."""
    kept = _kept.setdefault(model, OrderedDict())
    key = repr([options[name] for name in ("labels", "examples", "variant")])
    found = kept.get(key)
    if found is None:
        found = kept[key] = _computed(model, options)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    return found


def _computed(model: Engine, options: dict[str, Any]) -> Any:
    wording = _WORDINGS[options["variant"] % len(_WORDINGS)]
    labels, examples = options["labels"], options["examples"]
    texts = [wording.format(f"{name}: {description}" if description else name) for name, description in labels]
    found = _batches.embed(model, [*texts, *(text for text, _ in examples)])
    vectors, shown = found[: len(labels)].copy(), found[len(labels) :]
    for row, (name, _) in enumerate(labels):
        its = [position for position, (_, names) in enumerate(examples) if name in names]
        if its:
            vectors[row] += _EXAMPLES_WEIGHT * shown[its].mean(axis=0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
