"""Words by what is left without their endings: sells and sold are forms of sell, successfully of success."""

from __future__ import annotations

import re
from collections.abc import Collection

from pg_llm.asking import lexicon, words

_WORD = re.compile(r"[^\W\d_](?:[\w-]*\w)?")
_SHORTEST, _SHORTEST_PART = 3, 4


def base(word: str) -> str:
    """A stem without what may be doubled or dropped before an ending."""
    found = words.stem(word.lower().removesuffix("ly").removesuffix("ful")).removesuffix("e")
    return found[:-1] if len(found) > _SHORTEST and found[-1:] == found[-2:-1] else found


def bases(question: str) -> dict[str, list[tuple[int, int]]]:
    """The bases of the words of a question that say something, with where they stand."""
    found: dict[str, list[tuple[int, int]]] = {}
    for match in _WORD.finditer(question):
        its = base(match[0])
        if match[0].isascii() and len(its) >= _SHORTEST and not _is_empty(match[0]):
            found.setdefault(its, []).append(match.span())
    return found


def parts(question: str, known: Collection[str]) -> list[tuple[int, int]]:
    """Where words stand that may be a part of a value: those unlike all that names say, or behind a name's verb."""
    found = []
    for match in _WORD.finditer(question):
        word = match[0]
        called = re.search(r"\b(?:called|named|names? (?:is|are|=|of)) $", question[: match.start()], re.I)
        if not called and (len(word) < _SHORTEST_PART or (words.stem(word),) in lexicon.ENGLISH):
            continue
        if word.isascii() and not _is_empty(word) and not any(words.likeness(words.stem(word), its) for its in known):
            found.append(match.span())
    return found


def grown(question: str, start: int, end: int, values: Collection[str]) -> tuple[int, int]:
    """The longest run of words around a place that one of the values holds."""

    def held(a: int, b: int) -> bool:
        phrase = re.compile(rf"(?<!\w){re.escape(question[a:b].lower())}(?!\w)")
        return any(phrase.search(value) for value in values)

    spans = [match.span() for match in _WORD.finditer(question)]
    first = last = spans.index((start, end))
    while first > 0 and held(spans[first - 1][0], spans[last][1]):
        first -= 1
    while last + 1 < len(spans) and held(spans[first][0], spans[last + 1][1]):
        last += 1
    return spans[first][0], spans[last][1]


def _is_empty(word: str) -> bool:
    return word.lower() in lexicon.EMPTY or words.stem(word) in lexicon.EMPTY
