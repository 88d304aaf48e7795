"""Self-training: a head's surest answers on rows without a label become rows to learn from (Yarowsky 1995)."""

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
    """The head of the best round, and the macro F1 of each on the validation rows; round 0 is without the new rows.

    A later round is kept only if it is better than all before, so where there is no gain the result is round 0's.
    """
    seed = options["seed"]
    learner = head.fit(*training, False, seed)
    scores = [learner.measured(*validation).summary()["macro_f1"]]
    best: Part = (np.empty((0, unlabelled.shape[1])), [])
    for number in range(1, options["rounds"] + 1):
        report("self-training", number - 1, options["rounds"])
        more = _sure(learner, unlabelled, options["threshold"])
        learner = head.fit(*_together(training, more), False, seed)
        scores.append(learner.measured(*validation).summary()["macro_f1"])
        if scores[-1] > max(scores[:-1]):
            best = more
        elif not more[1] or scores[-1] < max(scores):
            break
    report("self-training", options["rounds"], options["rounds"])
    final = head.fit(*_together(_together(training, validation), best), False, seed)
    metrics = {
        "macro_f1": max(scores),
        "supervised_macro_f1": scores[0],
        "rounds": scores,
        "added_rows": len(best[1]),
        "gained": max(scores) > scores[0],
    }
    return final, metrics


def _sure(learner: Head, vectors: Any, threshold: float) -> Part:
    """Rows that the head is sure of, of each label at most as many as of the rarest, so that none takes over."""
    chances = probability.softmax(learner.logits(vectors))
    answers, sureness = chances.argmax(axis=1), chances.max(axis=1)
    rows = [np.flatnonzero((answers == label) & (sureness >= threshold)) for label in range(len(learner.labels))]
    fewest = min(len(found) for found in rows)
    chosen = [found[np.argsort(-sureness[found], kind="stable")[:fewest]] for found in rows]
    examples = [Example("", learner.labels[label]) for label, found in enumerate(chosen) for _ in found]
    return vectors[np.concatenate(chosen)], examples


def _together(one: Part, other: Part) -> Part:
    return np.concatenate([one[0], other[0]]), [*one[1], *other[1]]
