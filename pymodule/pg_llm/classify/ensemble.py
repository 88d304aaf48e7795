"""Ensembles of classifiers: the mean of their probabilities, and how far they disagree.

Lakshminarayanan, Pritzel and Blundell 2017. The disagreement is the mutual information of label and model, which is the
Jensen-Shannon divergence of the models' distributions (Houlsby and others 2011, BALD): what a text's own ambiguity,
which all models see alike, adds nothing to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pg_llm.arguments import Label
from pg_llm.classify import scoring
from pg_llm.classify.scoring import Scores
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

_MOST = 9


class Verdict(NamedTuple):
    """The label with the greatest mean probability, that mean, and the disagreement from 0 to 1; None without one."""

    label: str | None
    score: float | None
    disagreement: float | None


NO_VERDICT = Verdict(None, None, None)


def classify(
    db: Connection, inputs: Sequence[str | None], models: Sequence[str], labels: Sequence[Label] | None
) -> list[tuple[int, Verdict]]:
    """What the models say together of each text, beside its position from 1. Raises InvalidInput."""
    names = list(dict.fromkeys(models))
    if not 2 <= len(names) <= _MOST:
        raise InvalidInput(
            f"an ensemble has 2 to {_MOST} models, and {len(names)} are given", hint="Name each model once."
        )
    candidates = scoring.Candidates(labels)
    classifiers = [scoring.Classifier(db, name, candidates, multi_label=False) for name in names]
    by_model = [classifier.scores(inputs) for classifier in classifiers]
    return [(position, verdict(names, scores)) for position, scores in enumerate(zip(*by_model, strict=True), 1)]


def verdict(models: Sequence[str], scores: Sequence[Scores | None]) -> Verdict:
    """What the models' probabilities of one text amount to. Raises InvalidInput where they have unequal labels."""
    given = [each for each in scores if each]
    if len(given) < len(models):
        return NO_VERDICT
    for name, each in zip(models, given, strict=True):
        if each.keys() != given[0].keys():
            odd = ", ".join(sorted(each.keys() ^ given[0].keys()))
            raise InvalidInput(
                f'the models "{models[0]}" and "{name}" have other labels: {odd}',
                hint="Train them on the same labels, or give zero-shot models labels.",
            )
    mean = {label: sum(each[label] for each in given) / len(given) for label in given[0]}
    label = max(mean, key=lambda each: mean[each])
    shared = _entropy(mean) - sum(map(_entropy, given)) / len(given)
    most = math.log(min(len(given), len(mean))) if len(mean) > 1 else 1.0
    return Verdict(label, mean[label], min(1.0, max(0.0, shared / most)))


def _entropy(scores: Scores) -> float:
    """In nats; of probabilities that may be rounded, and so not add up to 1."""
    total = sum(scores.values()) or 1.0
    return -sum(value / total * math.log(value / total) for value in scores.values() if value > 0)
