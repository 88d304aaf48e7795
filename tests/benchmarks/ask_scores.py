"""What answers to questions are worth: right, wrong and sure, silent; risk by coverage; calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nl2sql import Question

# The thresholds of the risk-coverage curve.
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
_BINS = 10


class Answered(NamedTuple):
    """One question: whether it was answered, the confidence in its SQL, whether that is right, seconds, the SQL."""

    question: Question
    sure: bool
    confidence: float | None
    good: bool
    seconds: float
    sql: str | None = None


def right(answers: Sequence[Answered]) -> float:
    """The share that was answered rightly."""
    return _share(answers, (each.sure and each.good for each in answers))


def wrong(answers: Sequence[Answered]) -> float:
    """The share that was answered wrongly, although the confidence reached the threshold."""
    return _share(answers, (each.sure and not each.good for each in answers))


def silent(answers: Sequence[Answered]) -> float:
    """The share that was not answered."""
    return _share(answers, (not each.sure for each in answers))


def unsure(answers: Sequence[Answered]) -> float:
    """The share whose best query is right, but not sure enough to be answered."""
    return _share(answers, (not each.sure and each.good for each in answers))


def seconds(answers: Sequence[Answered]) -> float:
    """The mean time of a question."""
    return sum(each.seconds for each in answers) / len(answers)


def coverage(answers: Sequence[Answered], threshold: float) -> float:
    """The share that is answered at another threshold."""
    return _share(answers, (_reaches(each, threshold) for each in answers))


def risk(answers: Sequence[Answered], threshold: float) -> float:
    """The share of wrong ones among those that are answered at another threshold."""
    covered = [each for each in answers if _reaches(each, threshold)]
    return _share(covered, (not each.good for each in covered))


def calibration_error(answers: Sequence[Answered]) -> float:
    """The expected calibration error (Naeini et al. 2015) of ten bins, over the questions that have a query."""
    bins: list[list[Answered]] = [[] for _ in range(_BINS)]
    for each in answers:
        if each.confidence is not None:
            bins[min(int(each.confidence * _BINS), _BINS - 1)].append(each)
    total = sum(map(len, bins))
    gaps = (abs(sum(each.good - (each.confidence or 0) for each in inside)) for inside in bins)
    return sum(gaps) / max(total, 1)


def by_kind(answers: Sequence[Answered]) -> dict[str, list[Answered]]:
    """The answers to each kind of question, by the kind's name."""
    kinds: dict[str, list[Answered]] = {}
    for each in sorted(answers, key=lambda each: each.question.category):
        kinds.setdefault(each.question.category, []).append(each)
    return kinds


def _reaches(answer: Answered, threshold: float) -> bool:
    return answer.confidence is not None and answer.confidence >= threshold


def _share(answers: Sequence[Answered], counted: Iterable[bool]) -> float:
    return sum(counted) / max(len(answers), 1)
