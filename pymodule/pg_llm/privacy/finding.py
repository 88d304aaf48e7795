"""Personal data of texts: patterns with check digits first, then a model of names and addresses on what is left."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pg_llm.classify import entities
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.privacy import detection, kinds, merging
from pg_llm.privacy.merging import Entity, Found

MODELS = ("entities", "generation")


def find(
    db: Connection,
    texts: Sequence[str],
    wanted: Sequence[str],
    language: str | None,
    model: str | None,
    contexts: Sequence[str] | None = None,
) -> list[list[Found]]:
    """What each text holds of the kinds, in order and without overlaps; positions count from 0.

    `contexts` are the names of the columns or keys that the texts stand under, which speak for what they hold.
    """
    prefixes = [f"{context}: " if context else "" for context in contexts or [""] * len(texts)]
    read = [prefix + text for prefix, text in zip(prefixes, texts, strict=True)]
    searched = sorted({*wanted, *kinds.DEFAULT})
    options = {"kinds": searched, "languages": kinds.languages(language)}
    patterns: list[list[Found]] = [
        [(*each,) for each in json.loads(result)]
        for result in models.run_without_model(db, "personal_patterns", read, **options)
    ]
    named = _by_models(db, read, patterns, wanted, model)
    if models.are_stood_in_for(db):
        # Nothing in them is known not to be personal, and what is made of them must not show it.
        return [[("person", 0, len(text), 1.0, "unread")] if text else [] for text in texts]
    merged = [
        merging.without_overlaps(text, [*of_patterns, *of_models], wanted, detection.LEAST)
        for text, of_patterns, of_models in zip(read, patterns, named, strict=True)
    ]
    return [_behind(len(prefix), found) for prefix, found in zip(prefixes, merged, strict=True)]


def _behind(length: int, found: Sequence[Found]) -> list[Found]:
    """What stands behind a prefix of that length, with positions in the text itself."""
    return [
        (kind, max(start - length, 0), end - length, score, name)
        for kind, start, end, score, name in found
        if end > length
    ]


def _by_models(
    db: Connection, texts: Sequence[str], patterns: Sequence[Sequence[Found]], wanted: Sequence[str], model: str | None
) -> list[list[Found]]:
    """What models find of the kinds that patterns do not tell; they are not shown what patterns are sure of."""
    if model is None and not detection.needs_models(wanted):
        return [[] for _ in texts]
    shown = [merging.blanked(text, of_patterns) for text, of_patterns in zip(texts, patterns, strict=True)]
    chosen = models.find(db, model, "personal", MODELS)
    if chosen.task == "generation":
        labels = [(kind, kinds.DESCRIPTIONS[kind]) for kind in wanted]
        named = entities.find_in_all(db, chosen, shown, labels)
        return [detection.of_model(text, each, chosen.name) for text, each in zip(shown, named, strict=True)]

    def read(name: str, parts: Sequence[str]) -> list[list[Entity]]:
        return entities.find_in_all(db, chosen if name == chosen.name else models.find(db, name), parts, None)

    has_help = model is None or chosen.name == detection.DEFAULT
    return detection.by_models(shown, wanted, read, chosen.name, has_help=has_help)
