"""JSON that a model wrote, also in a fence or after a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

_FENCE = re.compile(r"```[a-zA-Z]*+[ \t\r]*+\n(.*?)```", re.DOTALL)
# Places where JSON could begin that are tried.
_MAX_PLACES = 50
_BRACKET = re.compile(r"[{\[]")


def candidates(text: str) -> Iterator[tuple[str, Any]]:
    """The JSON texts in a text with their values, numbers as Decimal: the text itself, fences, what brackets begin."""
    for written in (text, *(fence[1] for fence in _FENCE.finditer(text))):
        try:
            yield written.strip(), _DECODER.decode(written.strip())
        except (ValueError, ArithmeticError, RecursionError):
            continue
    start = 0
    for _ in range(_MAX_PLACES):
        place = _BRACKET.search(text, start)
        if place is None:
            return
        try:
            value, start = _DECODER.raw_decode(text, place.start())
            yield text[place.start() : start], value
        except (ValueError, ArithmeticError, RecursionError):
            start = place.end()


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_int=Decimal, parse_float=Decimal, parse_constant=_no_constant)
