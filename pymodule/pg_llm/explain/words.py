"""Words of a text as units of explanation: what attributions are summed over and occlusion leaves out."""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[int, int]
# A Chinese, Japanese or Korean character, a word with its apostrophes and hyphens, or any other sign.
_IDEOGRAPH = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPH}]|(?:(?![{_IDEOGRAPH}])\w)+(?:['\u2019-](?:(?![{_IDEOGRAPH}])\w)+)*|[^\w\s]")


def spans(text: str) -> list[Span]:
    """Start and end of each word, from 0, the end excluded."""
    return [match.span() for match in _WORD.finditer(text)]


def grouped(units: Sequence[Span], most: int) -> list[Span]:
    """The words, or runs of neighbouring ones of equal length where there are more than that many."""
    size = -(-len(units) // most) if units else 1
    return [(part[0][0], part[-1][1]) for part in (units[start : start + size] for start in range(0, len(units), size))]
