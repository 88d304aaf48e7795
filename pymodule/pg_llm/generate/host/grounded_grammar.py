"""Constrained decoding to JSON whose strings and numbers are spans of a text: a model can choose but not invent them.

Values that the schema lists (enum, const) and truth values need not stand in the text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pg_llm.models import grammars
from pg_llm.values.host import numbers_in_text

# Words of a text, each with the space before it: a value begins and ends with one of them.
_CHUNK = re.compile(r"\s*(?:\w+|[^\w\s])")
_MAX_ITEMS = 20
# Longer runs of digits are no numbers.
_MAX_NUMBER_LENGTH = 300
# Schemas with one of these are left to llguidance's own JSON grammar.
_UNGROUNDED = ("enum", "const", "pattern", "format", "anyOf", "oneOf", "allOf", "$ref")


def described(schema: Any) -> str:
    """The properties of an object for a prompt, each with its description."""
    properties = schema.get("properties", {})
    return ", ".join(
        f'"{name}" ({value["description"]})' if isinstance(value, dict) and value.get("description") else f'"{name}"'
        for name, value in properties.items()
    )


def nullable(schema: Any) -> Any:
    """The schema in which each property is required and may be null."""
    if _grounded_type(schema) != "object":
        return schema
    properties = {name: {"anyOf": [nullable(value), {"type": "null"}]} for name, value in schema["properties"].items()}
    return {**schema, "properties": properties, "required": list(properties), "additionalProperties": False}


def grammar(schema: Any, text: str) -> str:
    """The grammar, in llguidance's notation, of the objects that follow the schema with values from the text."""
    return _GrammarBuilder(text).build(schema)


def parse(written: str) -> Any:
    """The value of a JSON text; null for a number that is too long to be one."""
    return json.loads(written, parse_int=lambda digits: int(digits) if len(digits) <= _MAX_NUMBER_LENGTH else None)


def grounded(schema: Any, value: Any, text: str) -> Any:
    """The value with null for each part that does not stand in the text."""
    type_ = _grounded_type(schema)
    if type_ == "object" and isinstance(value, dict):
        return {name: grounded(item, value.get(name), text) for name, item in schema["properties"].items()}
    if type_ == "string" and isinstance(value, str) and len(value) > _limit(schema, "maxLength", len(value)):
        return None
    if type_ == "array" and isinstance(value, list):
        items = (grounded(schema["items"], item, text) for item in value)
        return [item for item in items if item is not None]
    if isinstance(schema, dict) and ("enum" in schema or "const" in schema):
        return value
    return _grounded_value(value, text)


def _grounded_value(value: Any, text: str) -> Any:
    """As `grounded`, for a value whose schema is not followed further."""
    if isinstance(value, dict):
        return {name: _grounded_value(item, text) for name, item in value.items()}
    if isinstance(value, list):
        return [item for item in (_grounded_value(item, text) for item in value) if item is not None]
    if isinstance(value, str):
        return value.strip() if value.strip() and value in text else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if json.dumps(value) in _numbers({"type": "number"}, text) else None
    return value


def _grounded_type(schema: Any) -> str | None:
    """The type of a schema whose values are taken from the text; None for any other schema."""
    if not isinstance(schema, dict) or any(word in schema for word in _UNGROUNDED):
        return None
    type_ = schema.get("type")
    if isinstance(type_, list):
        # Every value may be null here, so null needs no type of its own.
        others = set(type_) - {"null"}
        type_ = next(iter(others)) if len(others) == 1 else None
    if type_ == "object":
        return "object" if isinstance(schema.get("properties"), dict) else None
    if type_ == "array":
        return "array" if isinstance(schema.get("items"), dict) else None
    return type_ if type_ in ("string", "number", "integer") else None


def _limit(schema: Any, name: str, default: float) -> float:
    """A numeric limit of the schema; a value that is no number sets none."""
    limit = schema.get(name)
    return limit if isinstance(limit, int | float) and not isinstance(limit, bool) else default


def _numbers(schema: Any, text: str) -> list[str]:
    """The numbers in the text that the schema allows, in JSON's notation and each once."""
    numbers: dict[str, None] = {}
    for value in numbers_in_text.find(text):
        # 12.50 and 2.0 are no integers, however they are written.
        number = int(value) if value.as_tuple().exponent == 0 else float(value)
        if _grounded_type(schema) == "integer" and isinstance(number, float):
            continue
        if _limit(schema, "minimum", number) <= number <= _limit(schema, "maximum", number):
            numbers[json.dumps(number)] = None
    return list(numbers)


class _GrammarBuilder:
    def __init__(self, text: str) -> None:
        self._text = text
        self._rules: list[str] = []
        self._string_rule: str | None = None

    def build(self, schema: Any) -> str:
        """All rules; `start` is the object."""
        start = self._rule(schema)
        return "\n".join([f"start: {start}", *self._rules])

    def _rule(self, schema: Any) -> str:
        """The name of a rule for values of the schema."""
        type_ = _grounded_type(schema)
        if type_ == "object":
            members = [
                f"{_quoted(json.dumps(name, ensure_ascii=False) + ':')} ({self._rule(value)} | {_quoted('null')})"
                for name, value in schema["properties"].items()
            ]
            inner = f" {_quoted(',')} ".join(members)
            return self._add(f"{_quoted('{')} {inner} {_quoted('}')}")
        if type_ == "array":
            most = min(int(_limit(schema, "maxItems", _MAX_ITEMS)), _MAX_ITEMS)
            if most < 1:
                return self._add(_quoted("[]"))
            item = self._rule(schema["items"])
            more = f"({_quoted(',')} {item}){{0,{most - 1}}}"
            return self._add(f"{_quoted('[')} ({item} {more})? {_quoted(']')}")
        if type_ == "string":
            return self._string()
        if type_ in ("number", "integer"):
            return self._add(" | ".join(_quoted(number) for number in _numbers(schema, self._text)) or _quoted("null"))
        return self._add(grammars.json_rule(schema))

    def _string(self) -> str:
        """A run of the text's words; defined once, as the list of words is long."""
        if self._string_rule is None:
            # Escaped as between the quotes of a JSON text.
            chunks = [json.dumps(chunk, ensure_ascii=False)[1:-1] for chunk in _CHUNK.findall(self._text)]
            if chunks:
                self._rules.append(f"WORDS: %regex {json.dumps({'substring_chunks': chunks})}")
                rule = f"{_quoted(chr(34))} WORDS {_quoted(chr(34))}"
            else:
                rule = _quoted("null")
            self._string_rule = self._add(rule)
        return self._string_rule

    def _add(self, rule: str) -> str:
        name = f"r{len(self._rules)}"
        self._rules.append(f"{name}: {rule}")
        return name


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
