"""Derivational stemming that matches values: sells and sold to sell, successfully to success."""

from __future__ import annotations

import re

from pg_llm.ask import words
from pg_llm.ask.linking import operators

_WORD = re.compile(r"[^\W\d_](?:[\w-]*\w)?")
_SHORTEST_BASE, _SHORTEST_WORD = 3, 4
# Endings of nouns of actions.
_NOMINAL = re.compile(r"([a-z]{3,}?)(?:ation|ition|ion|ure|al|ance|ment)")


def base_form(word: str) -> str:
    """The stem without a final e or doubled letter, which endings drop or add."""
    form = words.stem(word.lower().removesuffix("ly").removesuffix("ful")).removesuffix("e")
    return form[:-1] if len(form) > _SHORTEST_BASE and form[-1:] == form[-2:-1] else form


def participle_base(value: str) -> str:
    """The base form of a participle as cancelled; empty for other words."""
    return base_form(value) if re.fullmatch(r"[^\W\d_]+ed", value.lower()) else ""


def nominal_bases(question: str) -> dict[str, list[tuple[int, int]]]:
    """The base forms of nouns of actions in a question, as cancellation and failure have them, with their spans."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for match in _WORD.finditer(question):
        noun = _NOMINAL.fullmatch(words.stem(match[0].lower()))
        if noun is not None and match[0].isascii():
            spans.setdefault(base_form(noun[1]), []).append(match.span())
    return spans


def base_forms(question: str) -> dict[str, list[tuple[int, int]]]:
    """The base forms of a question's content words, with their spans."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for match in _WORD.finditer(question):
        form = base_form(match[0])
        if match[0].isascii() and len(form) >= _SHORTEST_BASE and not operators.is_empty(match[0]):
            spans.setdefault(form, []).append(match.span())
    return spans
