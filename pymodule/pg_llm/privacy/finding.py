"""Personal data of texts: patterns with check digits first, then a model of names and addresses on what is left."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pg_llm.classify import entities
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.privacy import kinds, merging
from pg_llm.privacy.merging import Entity, Found

MODELS = ("entities", "generation")
# What is less sure than this is not reported. Chosen on the templates `dev` of the benchmark.
LEAST = 0.3
# Reads names in Chinese, and names of places and organisations: the default model knows neither.
_CHINESE, _PLACES = "lac", "en-core-web-sm"
_HAN = re.compile(r"[\u4e00-\u9fff]")
# Kinds that patterns tell better than the model that finds names.
_OF_PATTERNS = {"email", "url", "tax_id", "national_id", "passport", "bank_account"}
# A language model says where it found something, not how sure it is.
_SAID = 0.8


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
    merged = [
        merging.without_overlaps(text, [*of_patterns, *of_models], wanted, LEAST)
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
    found: list[list[Found]] = [[] for _ in texts]
    if model is None and not {"person", "address", "phone", *kinds.OPTIONAL} & set(wanted):
        return found
    shown = [merging.blanked(text, of_patterns) for text, of_patterns in zip(texts, patterns, strict=True)]
    chosen = models.find(db, model, "personal", MODELS)
    if chosen.task == "generation":
        labels = [(kind, kinds.DESCRIPTIONS[kind]) for kind in wanted]
        _add(found, range(len(texts)), shown, entities.find(db, chosen, shown, labels), chosen.name)
        return found
    _add(found, range(len(texts)), shown, _entities(db, chosen, shown), chosen.name)
    if model is not None:
        return found
    # What the default model tells of Chinese is wrong more often than right.
    found = [
        [each for each in of_text if not _HAN.search(text, each[1], each[2])]
        for text, of_text in zip(texts, found, strict=True)
    ]
    chinese = [number for number, text in enumerate(shown) if _HAN.search(text)]
    others = [number for number in range(len(texts)) if {*kinds.OPTIONAL} & {*wanted} and number not in {*chinese}]
    for name, numbers in ((_CHINESE, chinese), (_PLACES, others)):
        if numbers:
            parts = [shown[number] for number in numbers]
            _add(found, numbers, parts, _entities(db, models.find(db, name), parts), name, name == _PLACES)
    return found


def _entities(db: Connection, model: Model, texts: Sequence[str]) -> list[list[Entity]]:
    """The entities of each text, whose sentences are read one by one."""
    places = [(number, *place) for number, text in enumerate(texts) for place in merging.sentences(text)]
    found: list[list[Entity]] = [[] for _ in texts]
    parts = [texts[number][start:end] for number, start, end in places]
    for (number, start, _), of_part in zip(places, entities.find(db, model, parts, None), strict=True):
        found[number].extend((label, start + first, start + last, score) for label, first, last, score in of_part)
    return found


def _add(
    found: list[list[Found]],
    numbers: Sequence[int],
    texts: Sequence[str],
    of_texts: Sequence[Sequence[Any]],
    model: str,
    only_places: bool = False,
) -> None:
    for number, text, of_text in zip(numbers, texts, of_texts, strict=True):
        named = [(label, start, end, _SAID if score is None else score) for label, start, end, score in of_text]
        found[number].extend(
            each
            for each in merging.of_model(text, named, model)
            if (each[0] in kinds.OPTIONAL if only_places else each[0] not in _OF_PATTERNS or each[4] != "rampart")
        )
