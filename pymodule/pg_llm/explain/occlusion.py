"""Occlusion: by how much a score falls where a word is left out (Zeiler and Fergus 2014)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pg_llm.classify import scoring
from pg_llm.explain import words
from pg_llm.explain.words import Span

# Texts to a score each; the first text is the whole one.
Ask = Callable[[Sequence[str]], list[float]]
# Words that are left out one by one; of a longer text, neighbours together.
MOST_UNITS = 200
# What is left of a text without its words.
NOTHING = "..."


def effects(text: str, ask: Ask) -> tuple[list[tuple[Span, float]], float]:
    """For each word the score's fall without it, and what of the score less that of no text they do not add up to."""
    units = words.grouped(words.spans(text), MOST_UNITS)
    whole, nothing, *others = ask([text, NOTHING, *(without(text, [unit]) for unit in units)])
    falls = [whole - score for score in others]
    return list(zip(units, falls, strict=True)), whole - nothing - sum(falls)


def without(text: str, left_out: Sequence[Span]) -> str:
    """The text without some of its parts, which lie in their order."""
    kept, end = [], 0
    for start, stop in left_out:
        kept.append(text[end:start])
        end = stop
    rest = "".join([*kept, text[end:]])
    return NOTHING if scoring.is_blank(rest) else rest
