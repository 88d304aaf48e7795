"""The rows of a training and their split: a text stands on one side only, the same one every time."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """A text and its truth: a label, a list of labels, or one of [label, start, end] (from 0, end excluded)."""

    text: str
    truth: Any


def read(file: Path) -> list[Example]:
    """The rows, one JSON list of text and truth a line."""
    with file.open(encoding="utf-8") as lines:
        return [Example(*json.loads(line)) for line in lines]


def split(examples: Iterable[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Training and validation rows: of each label the texts with the smallest digests, at least one of two."""
    groups: dict[str, dict[bytes, list[Example]]] = defaultdict(lambda: defaultdict(list))
    seen: dict[bytes, str] = {}
    # In an order of their own, so that the same rows make the same model however the query sorts them.
    for example in sorted(examples, key=lambda example: (json.dumps(example.truth), example.text)):
        digest = hashlib.sha256(example.text.encode()).digest()
        # A text that has several truths stays together.
        label = seen.setdefault(digest, example.truth if isinstance(example.truth, str) else "")
        groups[label][digest].append(example)
    training: list[Example] = []
    validation: list[Example] = []
    for texts in groups.values():
        ordered = sorted(texts)
        kept_back = min(max(1, round(share * len(ordered))), len(ordered) - 1)
        for position, digest in enumerate(ordered):
            (validation if position < kept_back else training).extend(texts[digest])
    return training, validation
