"""JSON that a model wrote, also in a fence or after a sentence."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

_FENCE = re.compile(r"```[a-zA-Z]*+[ \t\r]*+\n(.*?)```", re.DOTALL)
# Places where JSON could begin that are tried, and characters that are read of them together.
_MAX_PLACES, _MAX_READ = 50, 1 << 21
_BRACKET = re.compile(r"[{\[]")


def candidates(text: str) -> Iterator[tuple[str, Any]]:
    """The JSON texts in a text with their values, numbers as Decimal: the text itself, fences, what brackets begin.

    None of a text that is longer than a model writes: reading it would hold up all others.
    """
    if len(text) > _MAX_READ:
        return
    fences = itertools.islice(_FENCE.finditer(text), _MAX_PLACES)
    for written in (text, *(fence[1] for fence in fences)):
        try:
            yield written.strip(), _DECODER.decode(written.strip())
        except (ValueError, ArithmeticError, RecursionError):
            continue
    start = read = 0
    for _ in range(_MAX_PLACES):
        place = _BRACKET.search(text, start)
        if place is None or read > _MAX_READ:
            return
        # One that is not closed is read to the end.
        read += len(text) - place.start()
        try:
            value, start = _DECODER.raw_decode(text, place.start())
            yield text[place.start() : start], value
        except (ValueError, ArithmeticError, RecursionError):
            start = place.end()


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_int=Decimal, parse_float=Decimal, parse_constant=_no_constant)
