"""Entities as BIO tags of words: B- begins an entity, I- continues it, O is outside (Ramshaw and Marcus 1995)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Span

Entity = tuple[str, int, int]


def tags(labels: Iterable[str]) -> list[str]:
    """The tag set for some labels."""
    return ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]


def encode(words: Sequence[Span], entities: Iterable[Sequence[object]]) -> list[str]:
    """The tag of each word, where an entity is [label, start, end]; a word belongs to the one it overlaps."""
    word_tags = ["O"] * len(words)
    for label, start, end in entities:
        inside = [row for row, (first, last) in enumerate(words) if first < int(str(end)) and last > int(str(start))]
        for position, row in enumerate(inside):
            word_tags[row] = f"{'I' if position else 'B'}-{label}"
    return word_tags


def most_probable(logits: Any, tags: Sequence[str]) -> list[int]:
    """The numbers of the most probable tags of which each I- goes on with its label (Viterbi 1967).

    `logits`, or log-probabilities, have the shape (words, tags).
    """
    if not len(logits):
        return []
    number = {tag: column for column, tag in enumerate(tags)}
    inside = np.asarray([column for column, tag in enumerate(tags) if tag.startswith("I-")], dtype=int)
    # What may stand before each I- tag: the beginning of its label, or itself.
    before = np.asarray([[number.get(f"B-{tags[column][2:]}", column), column] for column in inside], dtype=int)
    scores = np.array(logits[0], dtype=float)
    scores[inside] = -np.inf
    came_from = []
    for row in logits[1:]:
        origin = np.full(len(tags), scores.argmax())
        if len(inside):
            origin[inside] = before[np.arange(len(inside)), scores[before].argmax(axis=1)]
        came_from.append(origin)
        scores = scores[origin] + row
    path = [int(scores.argmax())]
    for origin in reversed(came_from):
        path.append(int(origin[path[-1]]))
    return path[::-1]


def decode(tags: Sequence[str], words: Sequence[Span]) -> list[Entity]:
    """The entities in some words; an I- tag that follows no tag of its label begins an entity."""
    entities: list[Entity] = []
    open_label = ""
    for tag, (start, end) in zip(tags, words, strict=True):
        prefix, label = (tag[:2], tag[2:]) if tag[:2] in ("B-", "I-") else ("I-", tag)
        if tag == "O":
            open_label = ""
        elif prefix == "I-" and label == open_label:
            entities[-1] = (label, entities[-1][1], end)
        else:
            entities.append((label, start, end))
            open_label = label
    return entities
