"""SQL: classification and tagging: which of some labels fit a text."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.classify import scoring
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_classify(
    db: Connection, input: str | None, labels: list[str] | None, model: str | None, examples: Any
) -> str | None:
    """The one label that fits a text best; NULL for NULL."""
    return scoring.classify(db, [input], _candidates(labels, examples), model)[0][1]


@sql_function
def llm_classify_batch(
    db: Connection, inputs: list[str | None] | None, labels: list[str] | None, model: str | None, examples: Any
) -> list[tuple[int, str | None]]:
    """The label of each text with its position from 1; NULL for NULL."""
    return scoring.classify(db, arguments.texts(inputs), _candidates(labels, examples), model)


@sql_function
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
    least = arguments.threshold(threshold)
    return scoring.tag(db, [input], _candidates(labels, examples), model, least, votes)[0][1]


@sql_function
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
    texts, least = arguments.texts(inputs), arguments.threshold(threshold)
    return scoring.tag(db, texts, _candidates(labels, examples), model, least, votes)


@sql_function
def llm_tag_scores(
    db: Connection, input: str | None, labels: list[str] | None, model: str | None, examples: Any
) -> scoring.Scores | None:
    """The probability of each label that it applies to a text, as a JSON object; NULL for NULL."""
    return scoring.tag_scores(db, [input], _candidates(labels, examples), model)[0][1]


@sql_function
def llm_tag_scores_batch(
    db: Connection, inputs: list[str | None] | None, labels: list[str] | None, model: str | None, examples: Any
) -> list[tuple[int, scoring.Scores | None]]:
    """The probabilities of each text's labels with its position from 1; NULL for NULL."""
    return scoring.tag_scores(db, arguments.texts(inputs), _candidates(labels, examples), model)


@sql_function
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
    return scoring.count_votes(db, input, _candidates(labels, examples), models or [None], least, votes)


def _candidates(labels: list[str] | None, examples: Any) -> scoring.Candidates:
    known = arguments.labels(labels)
    return scoring.Candidates(known, arguments.examples(examples, known))
