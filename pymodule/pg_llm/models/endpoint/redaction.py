"""Personal data kept from an endpoint: labels stand for it in what is sent, and get it back in what is answered.

Each request has labels of its own, so that nothing of one text comes into the answer to another.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

# Of a JSON Schema: names of what callers named, and their own words.
_NAMING, _WORDS = (
    ("properties", "$defs", "definitions"),
    ("enum", "const", "title", "description", "default", "examples"),
)
# What a label does not follow though the value does.
_FORM = ("pattern", "format", "minLength", "maxLength")
_NAME = re.compile(r"[^\W\d_a-zà-öø-ÿ][^\W\d_]+")
# A model may write a label in capitals, with a blank, or as Markdown wants it.
_GAP = r"(?:\\?_|[ -])"
_LABEL = rf"\[\s?{{kind}}{_GAP}?{{number}}\s?\\?\]"


class Labels:
    """The labels of one request; `texts` is all that it says, in which no label may stand already."""

    def __init__(self, texts: Sequence[str], found: Sequence[Sequence[tuple[str, int, int]]]) -> None:
        self._told = "\n".join(texts)
        self._found = dict(zip(texts, found, strict=True))
        # What may stand again where it was not found, and its kind: a whole value, or one word of a name.
        self._kinds: dict[str, str] = {}
        for text, of_text in self._found.items():
            for kind, start, end in of_text:
                self._kinds[text[start:end]] = kind
        for value in [value for value, kind in self._kinds.items() if kind == "person"]:
            for word in _NAME.findall(value):
                self._kinds.setdefault(word, "person")
        longest_first = sorted(self._kinds, key=len, reverse=True)
        self._again = re.compile("|".join(map(_whole, longest_first))) if longest_first else None
        self._of: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many different values have got a label."""
        return len(self._of)

    @property
    def are_none(self) -> bool:
        """Whether nothing was found."""
        return not self._kinds

    def _label(self, value: str) -> str:
        if value not in self._of:
            kind = self._kinds[value]
            self._numbers[kind] += 1
            while re.search(_pattern(kind, self._numbers[kind]), self._told, re.IGNORECASE):
                self._numbers[kind] += 1
            self._of[value] = f"[{kind}_{self._numbers[kind]}]"
        return self._of[value]

    def redact(self, text: str, *, is_numbered: bool = True) -> str:
        """The text with labels in place of what was found in it, or in another text of the request.

        Those that are not numbered name the kind alone, and cannot be restored.
        """

        def label(value: str) -> str:
            numbered = self._label(value)
            return numbered if is_numbered else f"[{self._kinds[value]}]"

        def repeated(part: str) -> str:
            return self._again.sub(lambda match: label(match[0]), part) if self._again else part

        parts, last = [], 0
        for _, start, end in self._found.get(text, ()):
            parts += [repeated(text[last:start]), label(text[start:end])]
            last = end
        return "".join([*parts, repeated(text[last:])])

    def redact_schema(self, schema: Any, *, is_names: bool = False) -> Any:
        """A JSON Schema that answers with labels follow."""
        if isinstance(schema, list):
            return [self.redact_schema(each) for each in schema]
        if isinstance(schema, str):
            return self.redact(schema)
        if not isinstance(schema, dict) or not self._kinds:
            return schema
        return {
            self.redact(name) if is_names else name: self.redact_schema(part, is_names=name in _NAMING and not is_names)
            for name, part in schema.items()
            if is_names or name not in _FORM
        }

    def restore(self, text: str, write: Callable[[str], str] = str, most: int = sys.maxsize) -> str | None:
        """The text with what the labels stand for in their place, each as `write` gives it.

        None where that has more than `most` characters.
        """
        if not self._of:
            return text
        patterns = (_pattern(*label[1:-1].rsplit("_", 1)) for label in self._of.values())
        each = re.compile("|".join(f"({pattern})" for pattern in patterns), re.IGNORECASE)
        originals = [write(value) for value in self._of]
        size = len(text) + sum(len(originals[(match.lastindex or 1) - 1]) for match in each.finditer(text))
        return None if size > most else each.sub(lambda match: originals[(match.lastindex or 1) - 1], text)


def in_json(value: str) -> str:
    """As it stands within a JSON string."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


def in_sql(value: str) -> str:
    """As it stands within an SQL string."""
    return value.replace("'", "''")


def schema_texts(schema: Any) -> Iterator[str]:
    """What a caller has named or said in a JSON Schema."""
    if isinstance(schema, list):
        for each in schema:
            yield from schema_texts(each)
    if not isinstance(schema, dict):
        return
    for name, part in schema.items():
        if name in _NAMING and isinstance(part, dict):
            yield from part
            yield from schema_texts(list(part.values()))
        elif name in _WORDS:
            yield from _strings(part)
        else:
            yield from schema_texts(part)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        parts: Iterable[Any] = value if isinstance(value, list) else [*value, *value.values()]
        for part in parts:
            yield from _strings(part)


def _pattern(kind: str, number: int | str) -> str:
    return _LABEL.format(kind=kind.replace("_", _GAP), number=number)


def _whole(value: str) -> str:
    """A pattern for the value where it is no part of a longer word; in Chinese words stand side by side."""
    before, after = (r"(?<!\w)" if _is_spaced(value[0]) else "", r"(?!\w)" if _is_spaced(value[-1]) else "")
    return f"{before}{re.escape(value)}{after}"


def _is_spaced(sign: str) -> bool:
    return (sign.isalnum() and sign.upper() != sign.lower()) or sign.isdigit()
