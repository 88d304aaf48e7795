"""Zero-shot and trained text classification: label probabilities, single labels, tags, and majority votes on tags."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.arguments import Label
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

MODELS = ("classification", "embedding", "generation")
_MAX_VOTES = 9
# The probability of each label.
Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The labels to choose from, None for those that the model was trained on, and texts labelled with them."""

    labels: Sequence[Label] | None
    examples: Sequence[tuple[str, list[str]]] = ()


def classify(
    db: Connection, inputs: Sequence[str | None], candidates: Candidates, model: str | None
) -> list[tuple[int, str | None]]:
    """The most probable label of each text beside its position from 1; None for NULL."""
    scores = Classifier(db, model, candidates, multi_label=False).scores(_texts(inputs))
    return [(position, row and best(row)) for position, row in arguments.zip_with_nulls(inputs, scores)]


def tag(
    db: Connection,
    inputs: Sequence[str | None],
    candidates: Candidates,
    model: str | None,
    threshold: float,
    votes: int | None,
) -> list[tuple[int, list[str] | None]]:
    """The labels that a majority of votes gives each text, beside its position from 1; None for NULL."""
    score_sets = Classifier(db, model, candidates, multi_label=True).score_sets(_texts(inputs), votes)
    return [
        (position, row and majority_labels(row, threshold))
        for position, row in arguments.zip_with_nulls(inputs, score_sets)
    ]


def tag_scores(
    db: Connection, inputs: Sequence[str | None], candidates: Candidates, model: str | None
) -> list[tuple[int, Scores | None]]:
    """The probability of each label that it applies, for each text beside its position from 1; None for NULL."""
    scores = Classifier(db, model, candidates, multi_label=True).scores(_texts(inputs))
    return list(arguments.zip_with_nulls(inputs, scores))


def count_votes(
    db: Connection,
    input: str | None,
    candidates: Candidates,
    models: Sequence[str | None],
    threshold: float,
    votes: int | None,
) -> list[dict[str, Any]]:
    """A row per label: votes for it, voters, mean score, and the majority's share of the voters (agreement)."""
    classifiers = [Classifier(db, name, candidates, multi_label=True) for name in models]
    if input is None:
        return []
    several = len(classifiers) > 1
    ballots = [
        scores
        for classifier in classifiers
        for scores in classifier.score_sets([input], votes, single_vote_if_trained=several)[0]
    ]
    rows = [_tally(label, ballots, threshold) for label in ballots[0]]
    return sorted(rows, key=lambda row: (-row["votes"], -row["score"]))


class Classifier:
    """A model with the labels that it is to choose among; `multi_label` lets several of them apply to one text."""

    def __init__(self, db: Connection, model: str | None, candidates: Candidates, *, multi_label: bool) -> None:
        self._model = models.find(db, model, "classification", MODELS)
        if candidates.labels is None and not self._model.labels:
            raise InvalidInput(
                f'model "{self._model.name}" has no labels of its own, so labels must be given',
                hint="Write labels => '{complaint,praise}', or name a model that llm_fit() made.",
            )
        self._options: dict[str, Any] = {
            "labels": candidates.labels,
            "examples": candidates.examples,
            "many": multi_label,
        }

    def scores(self, texts: Sequence[str], variant: int = 0) -> list[Scores]:
        """The probability of each label, for each text; `variant` is the wording of the question, from 0."""
        results = self._model.run("classification", texts, **self._options, variant=variant)
        return [json.loads(result) for result in results]

    def score_sets(
        self, texts: Sequence[str], votes: int | None, *, single_vote_if_trained: bool = False
    ) -> list[list[Scores]]:
        """For each text one set of scores per vote: each vote words the question in another way (self-consistency).

        A trained model has no question whose wording could change. Raises InvalidInput for several votes of one,
        unless `single_vote_if_trained`.
        """
        if votes is None or not 1 <= votes <= _MAX_VOTES:
            raise InvalidInput(f"votes must lie between 1 and {_MAX_VOTES}", hint="An odd number has no ties.")
        if votes > 1 and self._model.labels:
            if not single_vote_if_trained:
                raise InvalidInput(
                    f'model "{self._model.name}" always answers alike, so it has one vote',
                    hint="Use a zero-shot model, or llm_tag_votes() with several models.",
                )
            votes = 1
        score_sets = [self.scores(texts, variant) for variant in range(votes)]
        return [list(scores) for scores in zip(*score_sets, strict=True)]


def majority_labels(ballots: Sequence[Scores], threshold: float) -> list[str]:
    """The labels that more than half of the ballots score at the threshold or above, by their mean score."""
    total = {label: sum(ballot[label] for ballot in ballots) for label in ballots[0]}
    chosen = [label for label in total if 2 * sum(ballot[label] >= threshold for ballot in ballots) > len(ballots)]
    return sorted(chosen, key=lambda label: -total[label])


def best(scores: Scores) -> str:
    """The most probable label."""
    return max(scores, key=scores.__getitem__)


def _tally(label: str, ballots: Sequence[Scores], threshold: float) -> dict[str, Any]:
    # Trained models know their own labels only, so not every ballot has every label.
    scores = [ballot[label] for ballot in ballots if label in ballot]
    in_favour = sum(score >= threshold for score in scores)
    return {
        "label": label,
        "votes": in_favour,
        "voters": len(scores),
        "score": sum(scores) / len(scores),
        "agreement": max(in_favour, len(scores) - in_favour) / len(scores),
    }


def _texts(inputs: Sequence[str | None]) -> list[str]:
    return [text for text in inputs if text is not None]
