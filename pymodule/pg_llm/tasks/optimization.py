"""What can be told of a statement by its text alone: rewrites that may be cheaper; and what a plan's conditions ask of.

Nothing here knows a table: whether a rewrite is equal and cheaper is for the database to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine
from pg_llm.tasks import Work, _conditions, _model_calls, _rewrites, _statement


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[Work]:
    """Option `read` is statement, condition, calls or sort key; each result is a JSON list. Raises InvalidInput."""
    read = _READ[options["read"]]
    return [Work((), lambda _, text=text: _read(read, text)) for text in inputs]  # type: ignore[misc]


def _read(read: Callable[[str], list[dict[str, Any]]], text: str) -> str:
    try:
        return json.dumps(read(text))
    except RecursionError:
        raise InvalidInput("sql is nested too deeply", hint="Ask about a part of it.") from None


def _rewritten(text: str) -> list[dict[str, Any]]:
    """Each rewrite as `rule`, `sql` and what it `needs` in order to be equal."""
    _statement.select(text)
    return [found for rule in (*_rewrites.RULES, *_model_calls.RULES) if (found := rule(text)) is not None]


_READ: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "statement": _rewritten,
    "condition": _conditions.terms,
    "calls": _conditions.calls,
    "sort key": _conditions.sort_key,
}
