"""Zero-shot classification by an embedding model: cosine similarity of the text to each label's prototype vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine
from pg_llm.tasks import batching, passages, probability
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

_TEMPLATES = ("This is an example of {}.", "This text is about {}.", "{}")
# Chosen on film reviews, package descriptions and kinds of text, none of them rows that figures are measured on:
# expected calibration error 0.05 to 0.06. Subtracting the similarity to empty texts was tried and did not help.
_TEMPERATURE = 0.05
_SLOPE = 12.0
_BIAS = 0.2
# Weight of the mean of a label's examples beside its description.
_EXAMPLES_WEIGHT = 2.0

_prototypes = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """One label: softmax of the cosines; many: a sigmoid of each; windows of a long text are averaged."""
    key = [options[name] for name in ("labels", "examples", "variant")]
    prototypes = _prototypes.get(model, key, lambda: _label_vectors(model, options))

    def probabilities(text: Any) -> Any:
        cosines = prototypes @ (text / (np.linalg.norm(text) or 1))
        if options["many"]:
            return probability.sigmoid(_SLOPE * (cosines - _BIAS))
        return probability.softmax(cosines / _TEMPERATURE)

    return [name for name, _ in options["labels"]], passages.average_outputs(model, inputs, probabilities)


def _label_vectors(model: Engine, options: dict[str, Any]) -> Any:
    """The labels' unit vectors, shape (labels, dimensions), each drawn towards the mean of the label's examples."""
    template = _TEMPLATES[options["variant"] % len(_TEMPLATES)]
    labels, examples = options["labels"], options["examples"]
    texts = [template.format(f"{name}: {description}" if description else name) for name, description in labels]
    embedded = batching.embed(model, [*texts, *(text for text, _ in examples)])
    vectors, example_vectors = embedded[: len(labels)].copy(), embedded[len(labels) :]
    for row, (name, _) in enumerate(labels):
        own = [position for position, (_, names) in enumerate(examples) if name in names]
        if own:
            vectors[row] += _EXAMPLES_WEIGHT * example_vectors[own].mean(axis=0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
