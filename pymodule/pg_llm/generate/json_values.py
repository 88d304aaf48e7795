"""Generated JSON texts to values that jsonb can hold."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from pg_llm.errors import InvalidInput

# Digits before or after the point that PostgreSQL's numeric holds.
_MAX_DIGITS = 16000


def parse(text: str) -> Any:
    """The value without what jsonb cannot hold: NUL characters, lone surrogates, numbers beyond numeric (null).

    Raises InvalidInput for what is no JSON: llama.cpp writes freely where it cannot follow a grammar.
    """
    try:
        return _storable(json.loads(text, parse_float=_number, parse_int=_number))
    except (ValueError, RecursionError):
        raise InvalidInput(
            "the model could not follow the schema, and wrote what is no JSON",
            hint="Lower large limits in the schema, such as maxItems and maxLength.",
        ) from None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        # An exponent that no decimal has.
        return None
    return number if number.is_finite() and abs(number.adjusted()) + len(text) < _MAX_DIGITS else None


def _storable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return value
