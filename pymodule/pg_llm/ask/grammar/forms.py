"""Words by what is left without their endings: sells and sold are forms of sell, successfully of success."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from pg_llm.ask.grammar import lexicon, words

_WORD = re.compile(r"[^\W\d_](?:[\w-]*\w)?")
_CALLED = re.compile(r"\b(?:called|named|names? (?:is|are|=|of)) $", re.I)
_ARTICLE = re.compile(
    r"\b(?:the|an?|our|your|their|its|this|that|these|those|any|each|every|all|which|what|many) $", re.I
)
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
        if match[0].isascii() and len(its) >= _SHORTEST and not lexicon.is_empty(match[0]):
            found.setdefault(its, []).append(match.span())
    return found


def parts(question: str, names: Callable[[str], object]) -> list[tuple[int, int]]:
    """Where words stand that may be a part of a value: unlike all that names say, no verbs, no nouns of their own.

    `names` is true of stems that a name may mean.
    """
    found = []
    for match in _WORD.finditer(question):
        word, before = match[0], question[: match.start()]
        if not word.isascii() or lexicon.is_empty(word) or names(words.stem(word)):
            continue
        if not _CALLED.search(before):
            short = len(word) < _SHORTEST_PART or (words.stem(word),) in lexicon.ENGLISH
            if short or words.acts(word):
                continue
            following = _WORD.match(question, match.end() + 1)
            noun = following is not None and not words.acts(following[0]) and names(words.stem(following[0]))
            if _ARTICLE.search(before) and not noun:
                # The college, every shop: what these words say is no name.
                continue
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
