"""Zero-shot classification by an embedding model: how alike the text and each label are."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine
from pg_llm.tasks import _batches, _probability

_WORDINGS = ("This text is about {}.", "{}", "This is an example of {}.")
# Texts about nothing: how alike they are to a label is what its wording alone brings (as Zhao 2021 calibrates prompts).
_NOTHING = ("", "N/A", "This is a text.", "Lorem ipsum dolor sit amet.", "1, 2, 3.")
_TEMPERATURE = 0.05
_SLOPE = 20.0
_BIAS = 0.15
# How much the mean of a label's examples counts beside its description.
_EXAMPLES_WEIGHT = 2.0
_KEPT = 64

_kept: weakref.WeakKeyDictionary[Engine, OrderedDict[str, tuple[Any, Any]]] = weakref.WeakKeyDictionary()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """One label: softmax of the calibrated cosines; many: a sigmoid of each; windows of a long text are averaged."""
    vectors, background = _reference(model, options)

    def probabilities(outputs: Sequence[Any]) -> Any:
        text = np.mean(outputs, axis=0)
        alike = vectors @ (text / (np.linalg.norm(text) or 1)) - background
        if options["many"]:
            return _probability.sigmoid(_SLOPE * (alike - _BIAS))
        return _probability.softmax(alike / _TEMPERATURE)

    return [name for name, _ in options["labels"]], [(windows, probabilities) for windows in model.encode(inputs)]


def _reference(model: Engine, options: dict[str, Any]) -> tuple[Any, Any]:
    """The labels' unit vectors, and each label's mean similarity to texts about nothing; kept for the next call."""
    kept = _kept.setdefault(model, OrderedDict())
    key = repr([options[name] for name in ("labels", "examples", "variant")])
    found = kept.get(key)
    if found is None:
        found = kept[key] = _computed(model, options)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    return found


def _computed(model: Engine, options: dict[str, Any]) -> tuple[Any, Any]:
    wording = _WORDINGS[options["variant"] % len(_WORDINGS)]
    labels, examples = options["labels"], options["examples"]
    texts = [wording.format(f"{name}: {description}" if description else name) for name, description in labels]
    found = _batches.embed(model, [*texts, *_NOTHING, *(text for text, _ in examples)])
    vectors, nothing, shown = np.split(found, [len(labels), len(labels) + len(_NOTHING)])
    vectors = vectors.copy()
    for row, (name, _) in enumerate(labels):
        its = [position for position, (_, names) in enumerate(examples) if name in names]
        if its:
            vectors[row] += _EXAMPLES_WEIGHT * shown[its].mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, (vectors @ nothing.T).mean(axis=1)
