"""Training examples and their deterministic split: a text is on one side only, the same one every time."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Rows of a short training at most: their embeddings come from the model host, which may have them from the last time.
SHORT = 5000
# A layer on an encoder that stays as it is: with few rows the work of seconds.
_SHORT_METHODS = ("head", "self_train", "suspects", "federated")
# Each word of theirs is a row.
_SHORT_ENTITIES = 300


@dataclass(frozen=True, slots=True)
class Example:
    """A text and its ground truth: a label, labels, or a list of [label, start, end] (from 0, end excluded).

    `vector` is the JSON of its embedding, where that is known; `person` is whose row it is, where that counts.
    """

    text: str
    truth: Any
    vector: str | None = None
    person: str | None = None


def read(file: Path) -> list[Example]:
    """The examples, one JSON list of text, ground truth and, where they are known, embedding and person a line."""
    with file.open(encoding="utf-8") as lines:
        return [Example(*json.loads(line)) for line in lines]


def is_short(job: dict[str, Any], rows: int) -> bool:
    """Whether a training of so many rows is one that somebody waits for."""
    return job["method"] in _SHORT_METHODS and rows <= (_SHORT_ENTITIES if job["task"] == "entities" else SHORT)


def split(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Training and validation examples, stratified by label: texts with the smallest digests are for validation.

    A text of several labels counts under the rarest, so that rare labels are on both sides (Sechidis 2011). Where each
    text has one, every label is on both.
    """
    counts = Counter(label for example in examples for label in _labels(example.truth))
    groups: dict[str, dict[bytes, list[Example]]] = defaultdict(lambda: defaultdict(list))
    seen: dict[bytes, str] = {}
    # Sorted, so that the same rows make the same model in whatever order the query gives them.
    for example in sorted(examples, key=lambda example: (json.dumps(example.truth), example.text)):
        digest = hashlib.sha256(example.text.encode()).digest()
        rarest = min(_labels(example.truth), key=lambda label: (counts[label], label), default="")
        # A text that is there twice counts under its first label, so that all its rows are on one side.
        groups[seen.setdefault(digest, rarest)][digest].append(example)
    training: list[Example] = []
    validation: list[Example] = []
    single = all(isinstance(example.truth, str) for example in examples)
    wanted = 0.0
    for _, texts in sorted(groups.items()):
        ordered = sorted(texts)
        wanted += share * len(ordered)
        validation_texts = max(1, round(share * len(ordered))) if single else round(wanted)
        validation_texts = min(validation_texts, len(ordered) - single)
        wanted -= validation_texts
        for position, digest in enumerate(ordered):
            (validation if position < validation_texts else training).extend(texts[digest])
    return training, validation


def _labels(truth: Any) -> set[str]:
    """The labels of a text, of its entities, or of its relations; none of a text without ground truth."""
    if isinstance(truth, str):
        return {truth}
    return {item if isinstance(item, str) else item[0] for item in truth or ()} - {None}
