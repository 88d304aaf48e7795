"""Where a classifier errs, and how far its probabilities are right: confusion matrix and reliability diagram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm.arguments import Label
from pg_llm.classify import scoring
from pg_llm.database import search_path
from pg_llm.database.connection import Connection
from pg_llm.training import labelled_rows, row_classifier


def confusion(db: Connection, name: str, query: str, labels: Sequence[Label] | None) -> list[dict[str, Any]]:
    """How often each label of the rows was answered by each, every pair of labels once; None for a blank text."""
    counts: Counter[tuple[str, str | None]] = Counter()
    classifier, names = row_classifier.of_rows(db, name, query, labels)
    for truth, choice in _choices(db, classifier, query):
        counts[truth, choice.label] += 1
    truths = sorted({truth for truth, _ in counts} | set(names))
    answers: list[str | None] = [*sorted({answer for _, answer in counts if answer is not None} | set(names))]
    if any(answer is None for _, answer in counts):
        answers.append(None)
    return [{"label": truth, "answer": answer, "rows": counts[truth, answer]} for truth in truths for answer in answers]


def reliability(
    db: Connection, name: str, query: str, labels: Sequence[Label] | None, bins: int
) -> list[dict[str, Any]]:
    """For each of so many equal parts of 0 to 1 that a probability fell into: its mean, and the share of right answers.

    DeGroot and Fienberg 1983; a blank text has no answer and is left out.
    """
    rows: Counter[int] = Counter()
    right: Counter[int] = Counter()
    totals: dict[int, float] = {}
    classifier, _ = row_classifier.of_rows(db, name, query, labels)
    for truth, choice in _choices(db, classifier, query):
        if choice.score is None:
            continue
        number = min(int(choice.score * bins), bins - 1)
        rows[number] += 1
        right[number] += choice.label == truth
        totals[number] = totals.get(number, 0.0) + choice.score
    return [
        {"confidence": totals[number] / rows[number], "accuracy": right[number] / rows[number], "rows": rows[number]}
        for number in sorted(rows)
    ]


def _choices(db: Connection, classifier: scoring.Classifier, query: str) -> Iterator[tuple[str, scoring.Choice]]:
    """Each row's label, and what was answered."""
    for rows in labelled_rows.read(db, query, "classify"):
        with search_path.pinned(db):
            scores = classifier.scores([text for text, _ in rows])
        for (_, label), each in zip(rows, scores, strict=True):
            yield label, scoring.choice(each) if each else scoring.NO_CHOICE
