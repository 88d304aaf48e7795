"""Zero-shot classification by an embedding model: cosine similarity of the text to each label's prototype vector.

Whether a label applies is told by a logistic regression (Platt scaling) on the cosine, on those of the other labels, on
how many labels there are and on how alike they are. Cosines are first put on one scale for all models (test
normalization, Auckenthaler 2000): 0 is the text's mean cosine to labels of all subjects, and 1 that of a label that
fits, or more where those that do not fit lie far apart. So is how alike labels are: some models find all labels alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pg_llm.classify.abstention import NONE, with_none
from pg_llm.classify.host import zero_shot_reference
from pg_llm.models.engine import Engine
from pg_llm.tasks import batching, passages, probability
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

_TEMPLATES = ("This is an example of {}.", "This text is about {}.", "{}")
# Learnt with all-MiniLM-L6-v2 on the tags of Debian's packages and on fortunes by subject, on texts with one subject
# and with two, as they are and in lists of 2 to 12 labels, with a tenth of the texts outside them. Expected calibration
# error on sets of others, mean over lengths of lists: topics of dialogues 0.06, of two dialogues in one text 0.05,
# moods 0.03 to 0.06, kinds of text 0.05; kinds of entities in a sentence, of which two or three apply to each, 0.11.
# On lists of 2 to 12 labels for short descriptions of Debian packages by section (of those tags' packages), emoji and
# units of measurement by group it is 0.01 to 0.07, on PostgreSQL's settings by group 0.02 to 0.04, on questions to
# three databases 0.03 to 0.04, on Python packages by topic, which their authors tick freely, 0.07 to 0.11. With static
# embeddings, on the first three, which the scale was chosen on, 0.01 to 0.05, on the others 0.03 to 0.07, 0.06 to 0.08
# and 0.04 to 0.10; with multilingual-e5-small on the others 0.01 to 0.05, 0.06 to 0.08 and 0.05 to 0.08.
_OWN, _OTHERS, _COUNT, _ALIKE, _BIAS = 4.24, -3.83, -0.96, 0.35, -0.45
# Of the softmax that joins the other labels, and of the one that chooses a label.
_TEMPERATURE = 0.18
# On the common scale of all-MiniLM-L6-v2, where a label that fits lies 1 above those that do not: how far those lie
# from their mean, and how alike labels of subjects are that have nothing in common.
_DEVIATION, _UNLIKE = 0.165, 1.52
# Weight of the mean of a label's examples beside its description.
_EXAMPLES_WEIGHT = 2.0

_prototypes = ModelScopedCache()
_scales = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """One label: softmax of the cosines; many: a probability for each; windows of a long text are averaged."""
    key = [options[name] for name in ("labels", "examples", "variant")]
    prototypes = _prototypes.get(model, key, lambda: _label_vectors(model, options))
    template = _TEMPLATES[options["variant"] % len(_TEMPLATES)]
    scale = _scales.get(model, template, lambda: _Scale.of(model, template))
    alike = scale.mean_of_others(prototypes)
    abstains = options.get("allow_none") and not options["many"]

    def probabilities(text: Any) -> Any:
        similarities = scale(prototypes, text / (np.linalg.norm(text) or 1))
        if options["many"]:
            return _applies(similarities, alike)
        best = probability.softmax(similarities / _TEMPERATURE)
        return with_none(best, _applies(similarities, alike).max()) if abstains else best

    names = [name for name, _ in options["labels"]]
    return [*names, NONE] if abstains else names, passages.average_outputs(model, inputs, probabilities)


@dataclass(frozen=True, slots=True)
class _Scale:
    """The mean vector of labels of all subjects, the cosine that is one unit, and how alike those labels are."""

    cohort: Any
    unit: float
    labels: float

    @classmethod
    def of(cls, model: Engine, template: str) -> _Scale:
        """The scale, measured on texts with their labels."""
        pairs = zero_shot_reference.PAIRS
        vectors = batching.embed(model, [*(template.format(label) for label, _ in pairs), *(text for _, text in pairs)])
        of_labels = vectors[: len(pairs)]
        cosines = vectors[len(pairs) :] @ of_labels.T
        related = np.eye(len(pairs), dtype=bool)
        unrelated = np.where(related, np.nan, cosines)
        means = np.nanmean(unrelated, axis=1, keepdims=True)
        unit = max(float((cosines - means)[related].mean()), float(np.nanstd(unrelated - means)) / _DEVIATION)
        # A model that tells nothing apart has no scale: its cosines stay as they are.
        if unit <= 1e-3:
            return cls(np.zeros(vectors.shape[1]), 1.0, _UNLIKE)
        return cls(of_labels.mean(axis=0), unit, float((of_labels @ of_labels.T)[~related].mean()))

    def __call__(self, prototypes: Any, text: Any) -> Any:
        """A text's similarities to labels on the common scale."""
        return ((prototypes - self.cohort) @ text).astype(np.float64) / self.unit

    def mean_of_others(self, prototypes: Any) -> Any:
        """How alike each label is to the others, `_UNLIKE` where they have nothing in common; 0 for a single one."""
        others = len(prototypes) - 1
        if not others:
            return np.zeros(1)
        cosines = prototypes @ prototypes.T
        means = (cosines.sum(axis=1) - np.diag(cosines)) / others
        return (means - self.labels) / self.unit + _UNLIKE


def _applies(similarities: Any, alike: Any) -> Any:
    """The probability of each label that it applies."""
    count = len(similarities)
    exponents = similarities / _TEMPERATURE
    powers = np.exp(exponents - exponents.max())
    # A text that no other label competes for: as if one that does not fit did.
    others = np.zeros(count)
    if count > 1:
        rest = np.maximum(powers.sum() - powers, 1e-12) / (count - 1)
        others = _TEMPERATURE * (np.log(rest) + exponents.max())
    return probability.sigmoid(
        _OWN * similarities + _OTHERS * others + _COUNT * np.log(max(count, 2)) + _ALIKE * alike + _BIAS
    )


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
