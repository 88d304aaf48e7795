"""Classification and tagging: which of some labels fit a text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

MODELS = ("classification", "embedding", "generation")
_MOST_VOTES = 9
Scores = dict[str, float]


def llm_classify(
    db: Connection, input: str | None, labels: list[str] | None, model: str | None, examples: Any
) -> str | None:
    """The one label that fits a text best; NULL for NULL."""
    ask = _Question(db, model, labels, examples, many=False)
    return None if input is None else best(ask.scores([input])[0])


def llm_classify_batch(
    db: Connection, inputs: list[str | None] | None, labels: list[str] | None, model: str | None, examples: Any
) -> list[tuple[int, str | None]]:
    """The label of each text with its position from 1; NULL for NULL."""
    ask, given = _Question(db, model, labels, examples, many=False), arguments.texts(inputs)
    return [(position, found and best(found)) for position, found in arguments.zip_with_nulls(given, ask.all(given))]


def llm_tag(
    db: Connection,
    input: str | None,
    labels: list[str] | None,
    model: str | None,
    threshold: float | None,
    examples: Any,
    votes: int | None,
) -> list[str] | None:
    """The labels that apply to a text, most probable first, possibly none; NULL for NULL."""
    return _tags(db, [input], labels, model, threshold, examples, votes)[0][1]


def llm_tag_batch(
    db: Connection,
    inputs: list[str | None] | None,
    labels: list[str] | None,
    model: str | None,
    threshold: float | None,
    examples: Any,
    votes: int | None,
) -> list[tuple[int, list[str] | None]]:
    """The labels of each text with its position from 1; NULL for NULL."""
    return _tags(db, arguments.texts(inputs), labels, model, threshold, examples, votes)


def llm_tag_scores(
    db: Connection, input: str | None, labels: list[str] | None, model: str | None, examples: Any
) -> Scores | None:
    """The probability of each label that it applies to a text, as a JSON object; NULL for NULL."""
    ask = _Question(db, model, labels, examples, many=True)
    return None if input is None else ask.scores([input])[0]


def llm_tag_scores_batch(
    db: Connection, inputs: list[str | None] | None, labels: list[str] | None, model: str | None, examples: Any
) -> list[tuple[int, Scores | None]]:
    """The probabilities of each text's labels with its position from 1; NULL for NULL."""
    ask, given = _Question(db, model, labels, examples, many=True), arguments.texts(inputs)
    return list(arguments.zip_with_nulls(given, ask.all(given)))


def llm_tag_votes(
    db: Connection,
    input: str | None,
    labels: list[str] | None,
    models: list[str] | None,
    threshold: float | None,
    examples: Any,
    votes: int | None,
) -> list[dict[str, Any]]:
    """How several models, or several wordings of the question, vote on each label of a text, and how far they agree."""
    least = arguments.threshold(threshold)
    names: Sequence[str | None] = models or (None,)
    asks = [_Question(db, name, labels, examples, many=True) for name in names]
    if input is None:
        return []
    ballots = [scores for ask in asks for scores in ask.ballots([input], _votes(votes), several=len(asks) > 1)[0]]
    found = []
    for label in ballots[0]:
        given = [ballot[label] for ballot in ballots if label in ballot]
        in_favour = sum(score >= least for score in given)
        found.append(
            {
                "label": label,
                "votes": in_favour,
                "voters": len(given),
                "score": sum(given) / len(given),
                "agreement": max(in_favour, len(given) - in_favour) / len(given),
            }
        )
    return sorted(found, key=lambda row: (-row["votes"], -row["score"]))


class _Question:
    """A model and the labels that it is asked about."""

    def __init__(
        self, db: Connection, name: str | None, labels: Sequence[str | None] | None, examples: Any, *, many: bool
    ) -> None:
        self._db = db
        known = arguments.labels(labels)
        shown = arguments.examples(examples, known)
        self._model = models.find(db, name, "classification", MODELS)
        if known is None and not self._model.labels:
            raise InvalidInput(
                f'model "{self._model.name}" has no labels of its own, so labels must be given',
                hint="Write labels => '{complaint,praise}', or name a model that llm_fit() made.",
            )
        self._options: dict[str, Any] = {"labels": known, "examples": shown, "many": many}

    def scores(self, inputs: Sequence[str], variant: int = 0) -> list[Scores]:
        """The probability of each label, for each text."""
        found = self._model.run("classification", inputs, **self._options, variant=variant)
        return [json.loads(result) for result in found]

    def all(self, inputs: Sequence[str | None]) -> list[Scores]:
        """As `scores`, for the texts that are not NULL."""
        return self.scores([text for text in inputs if text is not None])

    def ballots(self, inputs: Sequence[str], votes: int, *, several: bool = False) -> list[list[Scores]]:
        """For each text, the scores of each vote; `several` models are heard once where wording changes nothing."""
        if votes > 1 and self._model.labels:
            if not several:
                raise InvalidInput(
                    f'model "{self._model.name}" always answers alike, so it has one vote',
                    hint="Use a zero-shot model, or llm_tag_votes() with several models.",
                )
            votes = 1
        ballots = [self.scores(inputs, variant) for variant in range(votes)]
        return [list(found) for found in zip(*ballots, strict=True)]


def _tags(
    db: Connection,
    inputs: Sequence[str | None],
    labels: list[str] | None,
    model: str | None,
    threshold: float | None,
    examples: Any,
    votes: int | None,
) -> list[tuple[int, list[str] | None]]:
    least, count = arguments.threshold(threshold), _votes(votes)
    ask = _Question(db, model, labels, examples, many=True)
    ballots = ask.ballots([text for text in inputs if text is not None], count)
    return [
        (position, found and _elected(found, least)) for position, found in arguments.zip_with_nulls(inputs, ballots)
    ]


def _elected(ballots: Sequence[Scores], least: float) -> list[str]:
    """The labels that more than half of the votes find probable enough, by their mean probability."""
    total = {label: sum(ballot[label] for ballot in ballots) for label in ballots[0]}
    chosen = [label for label in total if 2 * sum(ballot[label] >= least for ballot in ballots) > len(ballots)]
    return sorted(chosen, key=lambda label: -total[label])


def best(scores: Scores) -> str:
    """The most probable label."""
    return max(scores, key=scores.__getitem__)


def _votes(count: int | None) -> int:
    if count is None or not 1 <= count <= _MOST_VOTES:
        raise InvalidInput(f"votes must lie between 1 and {_MOST_VOTES}", hint="An odd number has no ties.")
    return count
