"""JSON Schemas as SQL passes them, checked before a grammar is made of them."""

from __future__ import annotations

import json
from typing import Any

from pg_llm import arguments
from pg_llm.errors import InvalidInput

_MAX_CHARACTERS = 65536
_MAX_DEPTH = 32
_HINT = """Write schema => '{"type": "object", "properties": {"name": {"type": "string"}}}'."""


def checked(schema: Any) -> Any:
    """The schema with numbers as int or float. Raises InvalidInput for one that is no object, or too large."""
    if not isinstance(schema, dict):
        raise InvalidInput("schema must be a JSON Schema, an object", hint=_HINT)
    plain = arguments.plain_json(schema)
    if len(json.dumps(plain)) > _MAX_CHARACTERS or _depth(plain) > _MAX_DEPTH:
        raise InvalidInput(
            f"schema is too large: at most {_MAX_CHARACTERS} characters and {_MAX_DEPTH} levels are read",
            hint="Ask for less at a time.",
        )
    return plain


def checked_object(schema: Any) -> Any:
    """As `checked`, for the schema of an object with named properties. Raises InvalidInput."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties or schema.get("type", "object") != "object":
        raise InvalidInput("schema must name the properties of an object", hint=_HINT)
    return checked({**schema, "type": "object"})


def _depth(value: Any) -> int:
    # Level by level: a recursive function would run out of stack before the limit is noticed.
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
    return depth
