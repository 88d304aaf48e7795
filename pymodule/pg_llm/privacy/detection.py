"""What models of entities find of persons: which of them reads what, and what is made of their labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from pg_llm.models.spec import REDACTORS
from pg_llm.privacy import kinds, merging
from pg_llm.privacy.merging import Entity, Found

# The entities of each of some texts, by the model of that name.
Read = Callable[[str, Sequence[str]], list[list[Entity]]]
# What is less sure than this is not reported. Chosen on the templates `dev` of the benchmark.
LEAST = 0.3
# Reads names in Chinese, and names of places and organisations: the default model knows neither.
DEFAULT, _CHINESE, _PLACES = REDACTORS
_HAN = re.compile(r"[\u4e00-\u9fff]")
# What no other model than that of Chinese needs to read has none of these.
_LETTER = re.compile(r"[^\W\d_\u4e00-\u9fff]")
# Kinds that patterns tell better than the model that finds names.
_OF_PATTERNS = {"email", "url", "tax_id", "national_id", "passport", "bank_account"}
# A language model says where it found something, not how sure it is.
_SAID = 0.8


def needs_models(wanted: Collection[str]) -> bool:
    """Whether any of the kinds is one that patterns do not tell."""
    return not {"person", "address", "phone", *kinds.OPTIONAL}.isdisjoint(wanted)


def by_models(
    shown: Sequence[str], wanted: Collection[str], read: Read, first: str, *, has_help: bool
) -> list[list[Found]]:
    """What the model `first` finds; others help it with Chinese, and with places where they are wanted."""
    found = [of_model(text, each, first) for text, each in zip(shown, _by_sentences(read, first, shown), strict=True)]
    if not has_help:
        return found
    # What the default model tells of Chinese is wrong more often than right.
    found = [
        [each for each in of_text if not _HAN.search(text, each[1], each[2])]
        for text, of_text in zip(shown, found, strict=True)
    ]
    chinese = [number for number, text in enumerate(shown) if _HAN.search(text)]
    others = [number for number in range(len(shown)) if {*kinds.OPTIONAL} & {*wanted} and number not in {*chinese}]
    for name, numbers in ((_CHINESE, chinese), (_PLACES, others)):
        parts = [shown[number] for number in numbers]
        for number, text, named in zip(numbers, parts, _by_sentences(read, name, parts) if parts else (), strict=True):
            more = of_model(text, named, name)
            found[number] += [each for each in more if name != _PLACES or each[0] in kinds.OPTIONAL]
    return found


def of_model(text: str, entities: Sequence[Any], model: str) -> list[Found]:
    """What is made of a model's entities in a text."""
    named = [(label, start, end, _SAID if score is None else score) for label, start, end, score in entities]
    found = merging.of_model(text, named, model)
    return [each for each in found if model != DEFAULT or each[0] not in _OF_PATTERNS]


def _by_sentences(read: Read, model: str, texts: Sequence[str]) -> list[list[Entity]]:
    """The entities of each text, whose sentences are read one by one."""
    places = [
        (number, start, end)
        for number, text in enumerate(texts)
        for start, end in merging.sentences(text)
        if model == _CHINESE or _LETTER.search(text, start, end)
    ]
    found: list[list[Entity]] = [[] for _ in texts]
    parts = [texts[number][start:end] for number, start, end in places]
    for (number, start, _), of_part in zip(places, read(model, parts), strict=True):
        found[number].extend((label, start + first, start + last, score) for label, first, last, score in of_part)
    return found
