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


def effects(text: str, ask: Ask, kept: Span = (0, 0)) -> tuple[list[tuple[Span, float]], float]:
    """For each word the score's fall without it, and what of the score less that of no text they do not add up to.

    Words of the span that is kept are never left out.
    """
    before = [span for span in words.spans(text) if span[1] <= kept[0]]
    behind = [span for span in words.spans(text) if span[0] >= kept[1]]
    most = max(1, MOST_UNITS // (bool(before) + bool(behind) or 1))
    units = [*words.grouped(before, most), *words.grouped(behind, most)]
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
