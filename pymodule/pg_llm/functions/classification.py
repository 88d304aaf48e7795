"""SQL: classification and tagging: which of some labels fit a text."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.classify import conformal, ensemble, scoring
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput


@sql_function
def llm_classify(
    db: Connection,
    input: str | None,
    labels: list[str] | None,
    model: str | None,
    examples: Any,
    instruction: str | None,
    allow_none: bool | None,
) -> str | None:
    """The one label that fits a text best; NULL for NULL."""
    candidates = _candidates(labels, examples, instruction)
    return scoring.classify(db, [input], candidates, model, allow_none=_flag(allow_none))[0][1].label


@sql_function
def llm_classify_batch(
    db: Connection,
    inputs: list[str | None] | None,
    labels: list[str] | None,
    model: str | None,
    examples: Any,
    instruction: str | None,
    allow_none: bool | None,
) -> list[tuple[int, str | None]]:
    """The label of each text with its position from 1; NULL for NULL."""
    texts, candidates = arguments.texts(inputs), _candidates(labels, examples, instruction)
    choices = scoring.classify(db, texts, candidates, model, allow_none=_flag(allow_none))
    return [(position, choice.label) for position, choice in choices]


@sql_function
def llm_classify_scored(
    db: Connection,
    input: str | None,
    labels: list[str] | None,
    model: str | None,
    examples: Any,
    instruction: str | None,
    allow_none: bool | None,
) -> list[scoring.Choice]:
    """The label that fits a text best, its probability, and by how much that exceeds the next label's."""
    candidates = _candidates(labels, examples, instruction)
    return [scoring.classify(db, [input], candidates, model, allow_none=_flag(allow_none))[0][1]]


@sql_function
def llm_classify_scored_batch(
    db: Connection,
    inputs: list[str | None] | None,
    labels: list[str] | None,
    model: str | None,
    examples: Any,
    instruction: str | None,
    allow_none: bool | None,
) -> list[tuple[int, str | None, float | None, float | None]]:
    """The label of each text, its probability and its lead, with the text's position from 1; NULL for NULL."""
    texts, candidates = arguments.texts(inputs), _candidates(labels, examples, instruction)
    choices = scoring.classify(db, texts, candidates, model, allow_none=_flag(allow_none))
    return [(position, *choice) for position, choice in choices]


@sql_function
def llm_tag(
    db: Connection,
    input: str | None,
    labels: list[str] | None,
    model: str | None,
    threshold: float | None,
    examples: Any,
    votes: int | None,
    instruction: str | None,
) -> list[str] | None:
    """The labels that apply to a text, most probable first, possibly none; NULL for NULL."""
    least = arguments.threshold(threshold)
    return scoring.tag(db, [input], _candidates(labels, examples, instruction), model, least, votes)[0][1]


@sql_function
def llm_tag_batch(
    db: Connection,
    inputs: list[str | None] | None,
    labels: list[str] | None,
    model: str | None,
    threshold: float | None,
    examples: Any,
    votes: int | None,
    instruction: str | None,
) -> list[tuple[int, list[str] | None]]:
    """The labels of each text with its position from 1; NULL for NULL."""
    texts, least = arguments.texts(inputs), arguments.threshold(threshold)
    return scoring.tag(db, texts, _candidates(labels, examples, instruction), model, least, votes)


@sql_function
def llm_tag_scores(
    db: Connection,
    input: str | None,
    labels: list[str] | None,
    model: str | None,
    examples: Any,
    instruction: str | None,
) -> scoring.Scores | None:
    """The probability of each label that it applies to a text, as a JSON object; NULL for NULL."""
    return scoring.tag_scores(db, [input], _candidates(labels, examples, instruction), model)[0][1]


@sql_function
def llm_tag_scores_batch(
    db: Connection,
    inputs: list[str | None] | None,
    labels: list[str] | None,
    model: str | None,
    examples: Any,
    instruction: str | None,
) -> list[tuple[int, scoring.Scores | None]]:
    """The probabilities of each text's labels with its position from 1; NULL for NULL."""
    return scoring.tag_scores(db, arguments.texts(inputs), _candidates(labels, examples, instruction), model)


@sql_function
def llm_tag_votes(
    db: Connection,
    input: str | None,
    labels: list[str] | None,
    models: list[str] | None,
    threshold: float | None,
    examples: Any,
    votes: int | None,
    instruction: str | None,
) -> list[dict[str, Any]]:
    """How several models, or several wordings of the question, vote on each label of a text, and how far they agree."""
    least = arguments.threshold(threshold)
    return scoring.count_votes(db, input, _candidates(labels, examples, instruction), models or [None], least, votes)


@sql_function
def llm_classify_set(db: Connection, input: str | None, model: str | None, alpha: float | None) -> list[str] | None:
    """The labels that a text may have, of which the right one is missing in a share alpha at most; NULL for NULL."""
    return conformal.classify_sets(db, [input], model, _share(alpha))[0][1]


@sql_function
def llm_classify_set_batch(
    db: Connection, inputs: list[str | None] | None, model: str | None, alpha: float | None
) -> list[tuple[int, list[str] | None]]:
    """The labels that each text may have with its position from 1; NULL for NULL."""
    return conformal.classify_sets(db, arguments.texts(inputs), model, _share(alpha))


@sql_function
def llm_ensemble(
    db: Connection, input: str | None, models: list[str] | None, labels: list[str] | None
) -> list[tuple[Any, ...]]:
    """The label that several classifiers give a text together, and how far they disagree; NULL for NULL."""
    given = arguments.required("models", models)
    return [each for _, each in ensemble.classify(db, [input], given, arguments.labels(labels))]


@sql_function
def llm_ensemble_batch(
    db: Connection, inputs: list[str | None] | None, models: list[str] | None, labels: list[str] | None
) -> list[tuple[Any, ...]]:
    """What several classifiers say of each text together with its position from 1; NULL for NULL."""
    given = arguments.required("models", models)
    rows = ensemble.classify(db, arguments.texts(inputs), given, arguments.labels(labels))
    return [(position, *verdict) for position, verdict in rows]


def _share(alpha: float | None) -> float:
    if alpha is None or not 0 < alpha < 1:
        raise InvalidInput("alpha must lie between 0 and 1", hint="0.1 lets one set in ten miss the right label.")
    return alpha


def _candidates(labels: list[str] | None, examples: Any, instruction: str | None) -> scoring.Candidates:
    known = arguments.labels(labels)
    return scoring.Candidates(known, arguments.examples(examples, known), arguments.instruction(instruction))


def _flag(allow_none: bool | None) -> bool:
    return arguments.required("allow_none", allow_none)
