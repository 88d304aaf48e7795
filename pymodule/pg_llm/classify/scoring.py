"""Zero-shot and trained text classification: label probabilities, single labels, tags, and majority votes on tags."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pg_llm.arguments import Label
from pg_llm.classify import abstention
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput

MODELS = ("classification", "embedding", "generation")
_MAX_VOTES = 9
# Unicode's categories of characters that cannot be seen.
_INVISIBLE = ("Cc", "Cf", "Zl", "Zp", "Zs")
# The probability of each label.
Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The labels to choose from, None for those that the model was trained on, and texts labelled with them.

    `instruction` are guidelines for a language model.
    """

    labels: Sequence[Label] | None
    examples: Sequence[tuple[str, list[str]]] = ()
    instruction: str | None = None


class Choice(NamedTuple):
    """The label of a text, None where none fits; how probable that is, and by how much more than the next answer."""

    label: str | None
    score: float | None
    margin: float | None


NO_CHOICE = Choice(None, None, None)


def classify(
    db: Connection, inputs: Sequence[str | None], candidates: Candidates, model: str | None, *, allow_none: bool
) -> list[tuple[int, Choice]]:
    """The most probable label of each text beside its position from 1; no label for a blank text."""
    classifier = Classifier(db, model, candidates, multi_label=False, allow_none=allow_none)
    scores = classifier.scores(inputs)
    return [(position, choice(row) if row else NO_CHOICE) for position, row in enumerate(scores, 1)]


def tag(
    db: Connection,
    inputs: Sequence[str | None],
    candidates: Candidates,
    model: str | None,
    threshold: float,
    votes: int | None,
) -> list[tuple[int, list[str] | None]]:
    """The labels that a majority of votes gives each text, beside its position from 1; None for NULL."""
    score_sets = Classifier(db, model, candidates, multi_label=True).score_sets(inputs, votes)
    return [
        (position, None if ballots is None else majority_labels(ballots, threshold))
        for position, ballots in enumerate(score_sets, 1)
    ]


def tag_scores(
    db: Connection, inputs: Sequence[str | None], candidates: Candidates, model: str | None
) -> list[tuple[int, Scores | None]]:
    """The probability of each label that it applies, for each text beside its position from 1; None for NULL."""
    return list(enumerate(Classifier(db, model, candidates, multi_label=True).scores(inputs), 1))


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
    several = len(classifiers) > 1
    ballots = [
        scores
        for classifier in classifiers
        for scores in classifier.score_sets([input], votes, single_vote_if_trained=several)[0] or ()
        if scores
    ]
    rows = [_tally(label, ballots, threshold) for label in ballots[0]] if ballots else []
    return sorted(rows, key=lambda row: (-row["votes"], -row["score"]))


class Classifier:
    """A model with the labels that it is to choose among; `multi_label` lets several of them apply to one text."""

    def __init__(
        self, db: Connection, model: str | None, candidates: Candidates, *, multi_label: bool, allow_none: bool = False
    ) -> None:
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
        if candidates.instruction:
            self._options["instruction"] = candidates.instruction
        if allow_none:
            self._options["allow_none"] = True

    @property
    def model(self) -> Model:
        """The model that is asked."""
        return self._model

    def scores(self, inputs: Sequence[str | None], variant: int = 0) -> list[Scores | None]:
        """The probability of each label, for each text; None for NULL, no label for a blank text.

        `variant` is the wording of the question, from 0.
        """
        blank = [text is not None and is_blank(text) for text in inputs]
        rows = [None if unseen else text for text, unseen in zip(inputs, blank, strict=True)]
        results = self._model.run_rows("classification", rows, **self._options, variant=variant)
        return [
            {} if unseen else None if result is None else json.loads(result)
            for unseen, result in zip(blank, results, strict=True)
        ]

    def score_sets(
        self, inputs: Sequence[str | None], votes: int | None, *, single_vote_if_trained: bool = False
    ) -> list[list[Scores] | None]:
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
        ballots = [self.scores(inputs, variant) for variant in range(votes)]
        return [
            None if any(scores is None for scores in row) else [scores for scores in row if scores is not None]
            for row in zip(*ballots, strict=True)
        ]


def choice(scores: Scores) -> Choice:
    """The most probable label, or none where that was asked and is likelier than all labels together."""
    label = None if abstention.is_none(scores) else best(scores)
    score = scores[abstention.NONE if label is None else label]
    others = [value for name, value in scores.items() if name != (abstention.NONE if label is None else label)]
    return Choice(label, score, score - max(others, default=0.0))


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: spaces, controls and marks without width."""
    return all(unicodedata.category(character) in _INVISIBLE for character in text.strip())


def majority_labels(ballots: Sequence[Scores], threshold: float) -> list[str]:
    """The labels that more than half of the ballots score at the threshold or above, by their mean score."""
    total = {label: sum(ballot[label] for ballot in ballots) for label in ballots[0]}
    chosen = [label for label in total if 2 * sum(ballot[label] >= threshold for ballot in ballots) > len(ballots)]
    return sorted(chosen, key=lambda label: -total[label])


def best(scores: Scores) -> str:
    """The most probable label."""
    return max((label for label in scores if label != abstention.NONE), key=scores.__getitem__)


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
