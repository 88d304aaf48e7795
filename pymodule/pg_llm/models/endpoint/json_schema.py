"""Whether a JSON value, with numbers as Decimal, follows a JSON Schema (draft 2020-12).

Checked are the keywords below. `format`, `pattern`, whose expression could take forever, and what is rare are left to
whoever wrote the value; so is the rest where a schema, or what refers to itself in it, takes too many checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any

# Schemas inside schemas that are followed, and checks of a value against one of them, some microseconds each.
_MAX_DEPTH, _MAX_CHECKS = 64, 50_000


def problem(schema: Any, value: Any) -> str | None:
    """What keeps a value from following the schema, in words; None for one that does."""
    try:
        return _Check(schema).problem(schema, value, "the value", 0)
    except RecursionError:
        return "the value is nested too deeply"


_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "number": lambda value: isinstance(value, Decimal),
    "integer": lambda value: isinstance(value, Decimal) and value == value.to_integral_value(),
}
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


class _Check:
    """A check of one value; `root` is the schema that references are looked up in."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = _MAX_CHECKS

    def problem(self, schema: Any, value: Any, place: str, depth: int) -> str | None:
        """What is wrong with the value at this place."""
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH or not isinstance(schema, dict):
            return f"{place} is not allowed" if schema is False else None
        referred = self._referred(schema["$ref"]) if "$ref" in schema else None
        return (
            (self.problem(referred, value, place, depth + 1) if referred is not None else None)
            or _of_type(schema, value, place)
            or _of_choices(schema, value, place)
            or _of_size(schema, value, place)
            or self._of_combinations(schema, value, place, depth + 1)
            or self._of_members(schema, value, depth + 1, place)
            or self._of_items(schema, value, depth + 1, place)
        )

    def _of_combinations(self, schema: Any, value: Any, place: str, depth: int) -> str | None:
        def problems(name: str) -> list[str | None]:
            return [self.problem(each, value, place, depth) for each in _list(schema, name)]

        if found := next(filter(None, problems("allOf")), None):
            return found
        if (found_any := problems("anyOf")) and all(found_any):
            return found_any[0]
        if (found_one := problems("oneOf")) and found_one.count(None) != 1:
            return next(filter(None, found_one), f"{place} fits several of what it may be one of")
        if "not" in schema and self.problem(schema["not"], value, place, depth) is None:
            return f"{place} is what it must not be"
        return None

    def _of_members(self, schema: Any, value: Any, depth: int, place: str) -> str | None:
        if not isinstance(value, dict):
            return None
        for name in _list(schema, "required"):
            if isinstance(name, str) and name not in value:
                return f'{place} has no "{name}"'
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        others = schema.get("additionalProperties", True) if "patternProperties" not in schema else True
        for name, item in value.items():
            if name not in properties and others is False:
                return f'{place} has "{name}", which is not among its properties'
            if found := self.problem(properties.get(name, others), item, f'"{name}"', depth):
                return found
        return None

    def _of_items(self, schema: Any, value: Any, depth: int, place: str) -> str | None:
        if not isinstance(value, list):
            return None
        first, others = _list(schema, "prefixItems"), schema.get("items", True)
        for number, item in enumerate(value):
            of_item = first[number] if number < len(first) else others
            if found := self.problem(of_item, item, f"item {number + 1} of {place}", depth):
                return found
        return None

    def _referred(self, reference: Any) -> Any:
        """The part of the schema that a local reference names; None for any other."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        found = self._root
        for name in reference.lstrip("#").split("/")[1:]:
            found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found


def _of_type(schema: Any, value: Any, place: str) -> str | None:
    types = _list(schema, "type") or [schema.get("type")]
    known = [name for name in types if isinstance(name, str) and name in _TYPES]
    if known and not any(_TYPES[name](value) for name in known):
        return f"{place} is not of type {' or '.join(known)}"
    return None


def _of_choices(schema: Any, value: Any, place: str) -> str | None:
    choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(choices, list) and _comparable(value) not in map(_comparable, choices):
        return f"{place} is none of {json.dumps(choices, ensure_ascii=False)[:200]}"
    return None


def _of_size(schema: Any, value: Any, place: str) -> str | None:
    for name, kind, size, is_right, words in _SIZES:
        limit = schema.get(name)
        is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
        if is_number and isinstance(value, kind) and not is_right(size(value), Decimal(repr(limit))):
            return f"{place} {words} {limit}"
    items = value if schema.get("uniqueItems") is True and isinstance(value, list) else []
    if len(set(map(_comparable, items))) < len(items):
        return f"{place} has an item twice"
    return None


def _comparable(value: Any) -> Hashable:
    """Equal for equal JSON values: 1 and 1.0, but not 1 and true."""
    if isinstance(value, list):
        return tuple(map(_comparable, value))
    if isinstance(value, dict):
        return frozenset((name, _comparable(item)) for name, item in value.items())
    if isinstance(value, bool):
        return ("boolean", value)
    return Decimal(repr(value)) if isinstance(value, int | float) else value


def _list(schema: Any, name: str) -> list[Any]:
    """A keyword's list; empty where it has none."""
    found = schema.get(name)
    return found if isinstance(found, list) else []
