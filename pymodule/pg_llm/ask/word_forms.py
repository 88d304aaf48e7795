"""Derivational stemming that matches values: sells and sold to sell, successfully to success."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from pg_llm.ask import words
from pg_llm.ask.linking import operators

_WORD = re.compile(r"[^\W\d_](?:[\w-]*\w)?")
_NAMING_PHRASE = re.compile(r"\b(?:called|named|names? (?:is|are|=|of)) $", re.I)
_ARTICLE = re.compile(
    r"\b(?:the|an?|our|your|their|its|this|that|these|those|any|each|every|all|which|what|many) $", re.I
)
_SHORTEST_BASE, _SHORTEST_WORD = 3, 4


def base_form(word: str) -> str:
    """The stem without a final e or doubled letter, which endings drop or add."""
    form = words.stem(word.lower().removesuffix("ly").removesuffix("ful")).removesuffix("e")
    return form[:-1] if len(form) > _SHORTEST_BASE and form[-1:] == form[-2:-1] else form


def base_forms(question: str) -> dict[str, list[tuple[int, int]]]:
    """The base forms of a question's content words, with their spans."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for match in _WORD.finditer(question):
        form = base_form(match[0])
        if match[0].isascii() and len(form) >= _SHORTEST_BASE and not operators.is_empty(match[0]):
            spans.setdefault(form, []).append(match.span())
    return spans


def value_word_spans(question: str, names: Callable[[str], object]) -> list[tuple[int, int]]:
    """Spans of words that may be part of a value: content words that are neither names, verbs nor common nouns.

    `names` is true for stems that may name a table or column.
    """
    spans = []
    for match in _WORD.finditer(question):
        word, before = match[0], question[: match.start()]
        if not word.isascii() or operators.is_empty(word) or names(words.stem(word)):
            continue
        if not _NAMING_PHRASE.search(before):
            short = len(word) < _SHORTEST_WORD or (words.stem(word),) in operators.OPERATORS
            if short or words.is_verb_form(word):
                continue
            following = _WORD.match(question, match.end() + 1)
            noun = following is not None and not words.is_verb_form(following[0]) and names(words.stem(following[0]))
            if _ARTICLE.search(before) and not noun:
                # After an article a word is a common noun: the college, every shop.
                continue
        spans.append(match.span())
    return spans


def longest_match(question: str, start: int, end: int, values: Collection[str]) -> tuple[int, int]:
    """Extend a word to the longest run of words that one of the values contains."""

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
