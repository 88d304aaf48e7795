"""Whether a JSON value, with numbers as Decimal, follows a JSON Schema (draft 2020-12).

Checked are the keywords below. `format`, `pattern`, whose expression could take forever, and what is rare are left to
whoever wrote the value.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

# Schemas inside schemas, or references, that are followed.
_MAX_DEPTH = 64


def problem(schema: Any, value: Any, root: Any = None, place: str = "the value", depth: int = 0) -> str | None:
    """What keeps a value from following the schema, in words; None for one that does."""
    root = schema if root is None else root
    if schema is True or schema == {} or depth > _MAX_DEPTH:
        return None
    if not isinstance(schema, dict):
        return f"{place} is not allowed" if schema is False else None
    if "$ref" in schema and (referred := _referred(root, schema["$ref"])) is not None:
        found = problem(referred, value, root, place, depth + 1)
        if found:
            return found
    for check in (_types, _choices, _sizes, _combinations, _members, _items):
        if found := check(schema, value, root, place, depth):
            return found
    return None


_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "number": lambda value: isinstance(value, Decimal),
    "integer": lambda value: isinstance(value, Decimal) and value == value.to_integral_value(),
}


def _types(schema: Any, value: Any, root: Any, place: str, depth: int) -> str | None:
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    known = [name for name in types if isinstance(name, str) and name in _TYPES]
    if known and not any(_TYPES[name](value) for name in known):
        return f"{place} is not of type {' or '.join(known)}"
    return None


def _choices(schema: Any, value: Any, root: Any, place: str, depth: int) -> str | None:
    choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(choices, list) and not any(_same(value, choice) for choice in choices):
        return f"{place} is none of {json.dumps(choices, ensure_ascii=False)[:200]}"
    return None


def _same(value: Any, choice: Any) -> bool:
    """Equality of JSON values, in which true is not 1."""
    if isinstance(value, bool) or isinstance(choice, bool):
        return value is choice
    if isinstance(value, list) and isinstance(choice, list):
        return len(value) == len(choice) and all(map(_same, value, choice))
    if isinstance(value, dict) and isinstance(choice, dict):
        return value.keys() == choice.keys() and all(_same(value[name], choice[name]) for name in value)
    if isinstance(choice, float):
        return isinstance(value, Decimal) and value == Decimal(repr(choice))
    return bool(value == choice)


# Each with how much of it a value has, whether that is right, and the words for it.
_SIZES: tuple[tuple[str, type, Callable[[Any], Any], Callable[[Any, Any], bool], str], ...] = (
    ("minLength", str, len, lambda size, limit: size >= limit, "is shorter than"),
    ("maxLength", str, len, lambda size, limit: size <= limit, "is longer than"),
    ("minItems", list, len, lambda size, limit: size >= limit, "has fewer items than"),
    ("maxItems", list, len, lambda size, limit: size <= limit, "has more items than"),
    ("minProperties", dict, len, lambda size, limit: size >= limit, "has fewer properties than"),
    ("maxProperties", dict, len, lambda size, limit: size <= limit, "has more properties than"),
    ("minimum", Decimal, Decimal, lambda size, limit: size >= limit, "is less than"),
    ("maximum", Decimal, Decimal, lambda size, limit: size <= limit, "is more than"),
    ("exclusiveMinimum", Decimal, Decimal, lambda size, limit: size > limit, "is not more than"),
    ("exclusiveMaximum", Decimal, Decimal, lambda size, limit: size < limit, "is not less than"),
)


def _sizes(schema: Any, value: Any, root: Any, place: str, depth: int) -> str | None:
    for name, kind, size, is_right, words in _SIZES:
        limit = schema.get(name)
        is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
        if is_number and isinstance(value, kind) and not is_right(size(value), Decimal(repr(limit))):
            return f"{place} {words} {limit}"
    items = value if schema.get("uniqueItems") is True and isinstance(value, list) else []
    if any(_same(item, other) for number, item in enumerate(items) for other in items[:number]):
        return f"{place} has an item twice"
    return None


def _combinations(schema: Any, value: Any, root: Any, place: str, depth: int) -> str | None:
    def problems(name: str) -> list[str | None]:
        alternatives = schema.get(name)
        alternatives = alternatives if isinstance(alternatives, list) else []
        return [problem(each, value, root, place, depth + 1) for each in alternatives]

    if found := next(filter(None, problems("allOf")), None):
        return found
    if (found_any := problems("anyOf")) and all(found_any):
        return found_any[0]
    if (found_one := problems("oneOf")) and found_one.count(None) != 1:
        return next(filter(None, found_one), f"{place} fits several of what it may be one of")
    if "not" in schema and problem(schema["not"], value, root, place, depth + 1) is None:
        return f"{place} is what it must not be"
    return None


def _members(schema: Any, value: Any, root: Any, place: str, depth: int) -> str | None:
    if not isinstance(value, dict):
        return None
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if name not in value:
            return f'{place} has no "{name}"'
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    others = schema.get("additionalProperties", True) if "patternProperties" not in schema else True
    for name, item in value.items():
        if name not in properties and others is False:
            return f'{place} has "{name}", which is not among its properties'
        if found := problem(properties.get(name, others), item, root, f'"{name}"', depth + 1):
            return found
    return None


def _items(schema: Any, value: Any, root: Any, place: str, depth: int) -> str | None:
    if not isinstance(value, list):
        return None
    first = schema.get("prefixItems")
    first = first if isinstance(first, list) else []
    others = schema.get("items", True)
    for number, item in enumerate(value):
        of_item = first[number] if number < len(first) else others
        if found := problem(of_item, item, root, f"item {number + 1} of {place}", depth + 1):
            return found
    return None


def _referred(root: Any, reference: Any) -> Any:
    """The part of the schema that a local reference names; None for any other."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found = root
    for name in reference.lstrip("#").split("/")[1:]:
        found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found
