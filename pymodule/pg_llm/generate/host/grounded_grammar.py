"""JSON whose texts and numbers are taken from a text, so that a model can choose among them but not invent any.

Choices that the schema lists and truth values need not stand in the text.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Words of a text, each with the space before it: a value begins and ends with one of them.
_CHUNK = re.compile(r"\s*(?:\w+|[^\w\s])")
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_MOST_ITEMS = 20
# Characters of a number that is read as one.
_LONGEST_NUMBER = 300
_OWN = ("enum", "const", "pattern", "format", "anyOf", "oneOf", "allOf", "$ref")


def described(schema: Any) -> str:
    """The properties of an object for a prompt, each with its description."""
    its = schema.get("properties", {})
    return ", ".join(
        f'"{name}" ({value["description"]})' if isinstance(value, dict) and value.get("description") else f'"{name}"'
        for name, value in its.items()
    )


def nullable(schema: Any) -> Any:
    """The schema in which each property is asked for and may be null."""
    if _kind(schema) != "object":
        return schema
    its = {name: {"anyOf": [nullable(value), {"type": "null"}]} for name, value in schema["properties"].items()}
    return {**schema, "properties": its, "required": list(its), "additionalProperties": False}


def grammar(schema: Any, text: str) -> str:
    """The grammar, in llguidance's notation, of the objects that follow the schema with values from the text."""
    return _Grammar(text).of(schema)


def read(written: str) -> Any:
    """The value that a JSON text says; null for a number that is too long for one."""
    return json.loads(written, parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_NUMBER else None)


def kept(schema: Any, value: Any, text: str) -> Any:
    """The value with null for each part that does not stand in the text."""
    kind = _kind(schema)
    if kind == "object" and isinstance(value, dict):
        return {name: kept(its, value.get(name), text) for name, its in schema["properties"].items()}
    if kind == "string" and isinstance(value, str) and len(value) > _limit(schema, "maxLength", len(value)):
        return None
    if kind == "array" and isinstance(value, list):
        return [item for item in (kept(schema["items"], item, text) for item in value) if item is not None]
    if isinstance(schema, dict) and ("enum" in schema or "const" in schema):
        return value
    return _standing(value, text)


def _standing(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {name: _standing(its, text) for name, its in value.items()}
    if isinstance(value, list):
        return [item for item in (_standing(item, text) for item in value) if item is not None]
    if isinstance(value, str):
        return value.strip() if value.strip() and value in text else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if json.dumps(value) in _numbers({"type": "number"}, text) else None
    return value


def _kind(schema: Any) -> str | None:
    """What is followed into; None for the rest."""
    if not isinstance(schema, dict) or any(word in schema for word in _OWN):
        return None
    kind = schema.get("type")
    if isinstance(kind, list):
        # Null may stand for anything here, so it need not be said.
        kind = next(iter(set(kind) - {"null"}), None) if len(set(kind) - {"null"}) == 1 else None
    if kind == "object":
        return "object" if isinstance(schema.get("properties"), dict) else None
    if kind == "array":
        return "array" if isinstance(schema.get("items"), dict) else None
    return kind if kind in ("string", "number", "integer") else None


def _limit(schema: Any, name: str, default: float) -> float:
    """A number that the schema states; what is no number states nothing."""
    found = schema.get(name)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else default


def _numbers(schema: Any, text: str) -> list[str]:
    """The numbers in the text that the schema allows, as JSON writes them."""
    found: dict[str, None] = {}
    for written in _NUMBER.findall(text):
        bare = written.replace(",", "").lstrip("+")
        if len(bare) > _LONGEST_NUMBER:
            continue
        number = float(bare) if "." in bare else int(bare)
        if _kind(schema) == "integer" and isinstance(number, float):
            continue
        if _limit(schema, "minimum", number) <= number <= _limit(schema, "maximum", number):
            found[json.dumps(number)] = None
    return list(found)


class _Grammar:
    def __init__(self, text: str) -> None:
        self._text = text
        self._rules: list[str] = []
        self._words: str | None = None

    def of(self, schema: Any) -> str:
        """All rules; the first is the object."""
        start = self._rule(schema)
        return "\n".join([f"start: {start}", *self._rules])

    def _rule(self, schema: Any) -> str:
        """The name of a rule for values of the schema."""
        kind = _kind(schema)
        if kind == "object":
            parts = [
                f"{_quoted(json.dumps(name, ensure_ascii=False) + ':')} ({self._rule(its)} | {_quoted('null')})"
                for name, its in schema["properties"].items()
            ]
            inner = f" {_quoted(',')} ".join(parts)
            return self._add(f"{_quoted('{')} {inner} {_quoted('}')}")
        if kind == "array":
            most = min(int(_limit(schema, "maxItems", _MOST_ITEMS)), _MOST_ITEMS)
            if most < 1:
                return self._add(_quoted("[]"))
            item = self._rule(schema["items"])
            more = f"({_quoted(',')} {item}){{0,{most - 1}}}"
            return self._add(f"{_quoted('[')} ({item} {more})? {_quoted(']')}")
        if kind == "string":
            return self._string()
        if kind in ("number", "integer"):
            return self._add(" | ".join(_quoted(number) for number in _numbers(schema, self._text)) or _quoted("null"))
        return self._add(f"%json {json.dumps(schema)}")

    def _string(self) -> str:
        """A run of the text's words; defined once."""
        if self._words is None:
            # As they stand between the quotes of a JSON text.
            chunks = [json.dumps(chunk, ensure_ascii=False)[1:-1] for chunk in _CHUNK.findall(self._text)]
            if chunks:
                self._rules.append(f"WORDS: %regex {json.dumps({'substring_chunks': chunks})}")
                chosen = f"{_quoted(chr(34))} WORDS {_quoted(chr(34))}"
            else:
                chosen = _quoted("null")
            self._words = self._add(chosen)
        return self._words

    def _add(self, rule: str) -> str:
        name = f"r{len(self._rules)}"
        self._rules.append(f"{name}: {rule}")
        return name


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
