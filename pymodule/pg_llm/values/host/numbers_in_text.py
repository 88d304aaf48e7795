"""The numbers in a text, each whole: `1.234,50` is one, and no number is a piece of another or of `2025-0042`."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

from pg_llm.values.host import numbers
from pg_llm.values.host.numbers import Number

# Groups of three after a space or an apostrophe, or digits; then marks with digits after them; then a magnitude.
_NUMBER = re.compile(
    r"(?<![\d.,])[+\u2212-]?(?:\d{1,3}(?:[ \u00a0\u202f'\u2019]\d{3})+(?!\d)|\d++)(?:[.,'\u2019]\d+)*"
    r"(?: ?(?:million|millionen|millions|Mio\.?|bn|Mrd\.?|crore|lakh|thousand|[kM](?!\w)|[万萬億亿千]))?"
)
# Codes, dates and telephone numbers go on after a sign.
_JOINED = re.compile(r"[-/:]\d")
# Both ends of 10-12 are numbers.
_RANGE = re.compile(r"([1-9]\d{0,2})-([1-9]\d{0,2})(?![\d-])")
_MAX_LENGTH = 300


def find(text: str) -> list[Decimal]:
    """The numbers in their order. What `1.234` is, the other numbers of the text tell; else a point begins decimals."""
    written: list[list[Number] | Decimal] = []
    for match in _NUMBER.finditer(text):
        piece = match[0]
        before, after = text[max(0, match.start() - 2) : match.start()], text[match.end() : match.end() + 2]
        if (span := _RANGE.match(text, match.start())) and not before[-1:].isdecimal():
            written += [Decimal(span[1]), Decimal(span[2])]
            continue
        signed = piece[0] in "+-\u2212" and re.search(r"\w$", before)
        if signed or _JOINED.match(after) or re.search(r"\d[-/:]$", before):
            continue
        if found := _readings(piece):
            written.append(found)
    mark = _mark(written)
    return [each if isinstance(each, Decimal) else _chosen(each, mark) for each in written]


def _readings(piece: str) -> list[Number]:
    digits = piece.lstrip("+")
    if re.fullmatch(r"-?\d+", digits):
        # Codes with zeros before them have always been read as numbers here.
        return [Number(Decimal(digits))] if len(digits) <= _MAX_LENGTH else []
    return numbers.readings(piece)


def _mark(written: list[list[Number] | Decimal]) -> str | None:
    """The decimal mark that most numbers show which can be read in one way only."""
    shown: Counter[str] = Counter()
    for found in written:
        if isinstance(found, list) and len(found) == 1:
            number = found[0]
            if number.decimal_mark:
                shown[number.decimal_mark] += 1
            elif number.group_mark in (".", ","):
                shown["," if number.group_mark == "." else "."] += 1
    return shown.most_common(1)[0][0] if shown else None


def _chosen(found: list[Number], mark: str | None) -> Decimal:
    if len(found) == 1:
        return Decimal(found[0].text)
    wanted = mark or "."
    fitting = (each for each in found if each.decimal_mark == wanted or (each.group_mark or wanted) != wanted)
    return Decimal(next(fitting, found[0]).text)
