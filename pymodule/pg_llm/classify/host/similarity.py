"""Zero-shot classification by an embedding model: how alike the text and each label are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine
from pg_llm.tasks import batching, passages, probability
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

_WORDINGS = ("This is an example of {}.", "This text is about {}.", "{}")
# Chosen on film reviews, package descriptions and kinds of text, none of them rows that figures are measured on:
# expected calibration error 0.05 to 0.06. Subtracting the similarity to empty texts was tried and did not help.
_TEMPERATURE = 0.05
_SLOPE = 12.0
_BIAS = 0.2
# How much the mean of a label's examples counts beside its description.
_EXAMPLES_WEIGHT = 2.0

_kept = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """One label: softmax of the cosines; many: a sigmoid of each; windows of a long text are averaged."""
    about = [options[name] for name in ("labels", "examples", "variant")]
    vectors = _kept.get(model, about, lambda: _reference(model, options))

    def probabilities(text: Any) -> Any:
        alike = vectors @ (text / (np.linalg.norm(text) or 1))
        if options["many"]:
            return probability.sigmoid(_SLOPE * (alike - _BIAS))
        return probability.softmax(alike / _TEMPERATURE)

    return [name for name, _ in options["labels"]], passages.average_outputs(model, inputs, probabilities)


def _reference(model: Engine, options: dict[str, Any]) -> Any:
    """The labels' unit vectors, shape (labels, dimensions)."""
    wording = _WORDINGS[options["variant"] % len(_WORDINGS)]
    labels, examples = options["labels"], options["examples"]
    texts = [wording.format(f"{name}: {description}" if description else name) for name, description in labels]
    found = batching.embed(model, [*texts, *(text for text, _ in examples)])
    vectors, shown = found[: len(labels)].copy(), found[len(labels) :]
    for row, (name, _) in enumerate(labels):
        its = [position for position, (_, names) in enumerate(examples) if name in names]
        if its:
            vectors[row] += _EXAMPLES_WEIGHT * shown[its].mean(axis=0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
