"""Self-training (Yarowsky 1995): a head's confident predictions on unlabelled rows become training examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.tasks import probability
from pg_llm.training.host import head
from pg_llm.training.host.head import Head

# Vectors and their examples.
Part = tuple[Any, list[Example]]


def train(
    training: Part, validation: Part, unlabelled: Any, options: dict[str, Any], report: Report
) -> tuple[Head, dict[str, Any]]:
    """The head of the best round and the macro F1 of each on the validation rows; round 0 uses no unlabelled rows.

    A later round is kept only if it is better than all before, so where there is no gain the result is round 0's.
    """
    seed = options["seed"]
    learner = head.fit(*training, False, seed)
    summaries = [learner.evaluate(*validation).summary()]
    scores = [summaries[0]["macro_f1"]]
    best: Part = (np.empty((0, unlabelled.shape[1])), [])
    for number in range(1, options["rounds"] + 1):
        report("self-training", number - 1, options["rounds"])
        pseudo_labelled = _pseudo_label(learner, unlabelled, options["threshold"])
        learner = head.fit(*_concatenate(training, pseudo_labelled), False, seed)
        summaries.append(learner.evaluate(*validation).summary())
        scores.append(summaries[-1]["macro_f1"])
        if scores[-1] > max(scores[:-1]):
            best = pseudo_labelled
        elif not pseudo_labelled[1] or scores[-1] < max(scores):
            break
    report("self-training", options["rounds"], options["rounds"])
    final = head.fit(*_concatenate(_concatenate(training, validation), best), False, seed)
    metrics = {
        **summaries[scores.index(max(scores))],
        "supervised_macro_f1": scores[0],
        "rounds": scores,
        "added_rows": len(best[1]),
        "gained": max(scores) > scores[0],
    }
    return final, metrics


def _pseudo_label(learner: Head, vectors: Any, threshold: float) -> Part:
    """Rows predicted with confidence; every label gets as many as the rarest, so that no label takes over."""
    probabilities = probability.softmax(learner.logits(vectors))
    predictions, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rows = [np.flatnonzero((predictions == label) & (confidence >= threshold)) for label in range(len(learner.labels))]
    fewest = min(len(of_label) for of_label in rows)
    chosen = [of_label[np.argsort(-confidence[of_label], kind="stable")[:fewest]] for of_label in rows]
    examples = [Example("", learner.labels[label]) for label, of_label in enumerate(chosen) for _ in of_label]
    return vectors[np.concatenate(chosen)], examples


def _concatenate(one: Part, other: Part) -> Part:
    return np.concatenate([one[0], other[0]]), [*one[1], *other[1]]
