"""Sentences of a text with their places, in English, Chinese and languages that end sentences as these do."""

from __future__ import annotations

import re

Range = tuple[int, int]

# What ends a sentence: Chinese stops, stops before white space, and line breaks around blank lines, items and headings.
_END = re.compile(r"""[。！？]+[”」』）]?|(?<![.!?…])[.!?…]++["'”’)\]]*+(?=\s)|\n\s*+""")  # noqa: RUF001 - Chinese
# After these a full stop ends no sentence.
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st no nos vol vols fig figs eq ref refs approx ca cf vs etc inc ltd co jr sr art sec ch pp ed"
    " eds al e.g i.e a.m p.m jan feb mar apr jun jul aug sept sep oct nov dec".split()
)
_LAST_WORD = re.compile(r"(?<![\w.])[\w.]*$")
# Sentences that are longer are cut here, so that no text takes long.
_LONGEST = 1000


def ranges(text: str) -> list[Range]:
    """Start and end of each sentence, from 0, without white space around it."""
    found: list[Range] = []
    start = 0
    for match in _END.finditer(text):
        if match[0].startswith(".") and _is_abbreviation(text[max(start, match.start() - 12) : match.start()]):
            continue
        if _goes_on(text, match):
            continue
        found += _cut(text, start, match.end())
        start = match.end()
    return found + _cut(text, start, len(text))


def _goes_on(text: str, end: re.Match[str]) -> bool:
    """Whether this is a single line break before a small letter, as in texts whose lines are of one length."""
    return end[0].count("\n") == 1 and end[0][0] == "\n" and text[end.end() : end.end() + 1].islower()


def _is_abbreviation(before: str) -> bool:
    last = _LAST_WORD.search(before)
    word = last[0].lower() if last else ""
    # A single letter is an initial.
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word not in "i")


def _cut(text: str, start: int, end: int) -> list[Range]:
    """The range without white space at its ends, in pieces; none where nothing but signs is left."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    pieces = [(place, min(place + _LONGEST, end)) for place in range(start, end, _LONGEST)]
    return [piece for piece in pieces if any(map(str.isalnum, text[slice(*piece)]))]
