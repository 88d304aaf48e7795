"""The texts in JSON, each with the key that it stands under, and others put in their place; all else stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# A text, which a colon behind it makes a key, or the beginning or end of an object or array.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"(?P<key>\s*+:)?|[{}\[\]]')


class Text(NamedTuple):
    """Where a text stands in the JSON, its key or that of the array that it is in, and the text."""

    start: int
    end: int
    key: str
    text: str


def find(given: str) -> Iterator[Text]:
    """The texts in JSON that is valid, in order; keys are none of them."""
    key, outer = "", []
    for match in _TOKEN.finditer(given):
        part = match[0]
        if part in "{[":
            outer.append(key)
        elif part in "}]":
            key = outer.pop()
        elif match["key"]:
            key = json.loads(part[: match.start("key") - match.start()])
        else:
            yield Text(*match.span(), key, json.loads(part))


def replace(given: str, texts: Sequence[Text], by: Sequence[str | None]) -> str:
    """The JSON with other texts in place of these."""
    parts, end = [], 0
    for text, replacement in zip(texts, by, strict=True):
        parts += [given[end : text.start], json.dumps(replacement)]
        end = text.end
    return "".join([*parts, given[end:]])
