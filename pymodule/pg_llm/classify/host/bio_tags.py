"""Entities as BIO tags of words: B- begins an entity, I- continues it, O is outside (Ramshaw and Marcus 1995)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
