"""Robustness of a classifier: its accuracy on labelled rows as they are, and under perturbations of their texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pg_llm.arguments import Label
from pg_llm.classify import scoring
from pg_llm.database import search_path
from pg_llm.database.connection import Connection
from pg_llm.privacy import torn_texts
from pg_llm.training import labelled_rows, row_classifier
from pg_llm.training.labelled_rows import LabelledRow
from pg_llm.training.perturbation import attacks

# The rows as they are, against which the others are compared.
CLEAN = "none"
# Rows of which an attack is shown, and characters of each.
_EXAMPLES, _SHOWN = 3, 200


@dataclass(slots=True)
class _Tally:
    """Rows under one attack: how many, right, answered otherwise than before, and examples of these."""

    rows: int = 0
    right: int = 0
    changed: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


def evaluate(
    db: Connection, name: str, query: str, names: Sequence[str], labels: Sequence[Label] | None, seed: int
) -> list[dict[str, Any]]:
    """Accuracy as the rows are, and for each attack accuracy, its drop, the share of answers turned, and examples.

    Where an attack may change what a text means, only the share of answers that it turned is told.
    """
    classifier, own = row_classifier.of_rows(db, name, query, labels)
    tallies = {each: _Tally() for each in (CLEAN, *names)}
    for rows in labelled_rows.read(db, query, "classify"):
        with search_path.pinned(db):
            torn_texts.refuse_personal(db, classifier.model, [text for text, _ in rows])
            _add(tallies, classifier, rows, own, seed)
    return list(_rows(tallies))


def _add(
    tallies: dict[str, _Tally],
    classifier: scoring.Classifier,
    rows: Sequence[LabelledRow],
    labels: Sequence[str],
    seed: int,
) -> None:
    answers = _answers(classifier, [text for text, _ in rows])
    for name, tally in tallies.items():
        texts = [text if name == CLEAN else attacks.perturb(name, text, label, labels, seed) for text, label in rows]
        found = answers if name == CLEAN else _answers(classifier, texts)
        for (text, label), changed, before, answer in zip(rows, texts, answers, found, strict=True):
            tally.rows += 1
            tally.right += answer == label
            tally.changed += answer != before
            if answer != before and len(tally.examples) < _EXAMPLES:
                shown = {"text": text[:_SHOWN], "changed": changed[:_SHOWN]}
                tally.examples.append({**shown, "label": label, "before": before, "answer": answer})


def _answers(classifier: scoring.Classifier, texts: Sequence[str]) -> list[str | None]:
    return [scoring.best(scores) if scores else None for scores in classifier.scores(texts)]


def _rows(tallies: dict[str, _Tally]) -> Iterator[dict[str, Any]]:
    clean = tallies[CLEAN].right / max(tallies[CLEAN].rows, 1)
    for name, tally in tallies.items():
        means_the_same = name == CLEAN or attacks.keeps_label(name)
        accuracy = tally.right / tally.rows if means_the_same else None
        yield {
            "attack": name,
            "accuracy": accuracy,
            "drop": None if accuracy is None else clean - accuracy,
            "changed": tally.changed / tally.rows,
            "examples": json.dumps(tally.examples, ensure_ascii=False),
        }
