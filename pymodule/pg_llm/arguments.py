"""Checks of SQL arguments that several topics take: lists of texts and labels, thresholds, choices, JSON, examples."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from pg_llm.errors import InvalidInput

# A label and its description, if it has one.
Label = tuple[str, str | None]

_R = TypeVar("_R")
_MAX_LABEL_LENGTH = 1000
_MAX_INSTRUCTION = 20_000
_LIST_HINT = "Write {} => '{{complaint,praise}}' or ARRAY['complaint: the customer is unhappy', 'praise']."


def required(name: str, value: _R | None) -> _R:
    """The value of an argument that must not be NULL. Raises InvalidInput."""
    if value is None:
        raise InvalidInput(f"{name} must not be NULL")
    return value


def texts(inputs: list[str | None] | None) -> list[str | None]:
    """The texts of a batch; NULL is the empty list."""
    return inputs or []


def labels(given: Sequence[str | None] | None, argument: str = "labels") -> list[Label] | None:
    """The labels without repetitions, each with the text after its first ': ' as description. None for NULL."""
    if given is None:
        return None
    hint = _LIST_HINT.format(argument)
    if not given:
        raise InvalidInput(f"{argument} must not be empty", hint=hint)
    descriptions: dict[str, str | None] = {}
    for item in given:
        if item is None:
            raise InvalidInput(f"{argument} must not hold NULL", hint=f"array_remove({argument}, NULL) leaves it out.")
        name, _, description = (part.strip() for part in item.partition(": "))
        if not name or len(item) > _MAX_LABEL_LENGTH:
            raise InvalidInput(f'not a label: "{item[:50]}"', hint=hint)
        if descriptions.get(name, description) != description and description and descriptions[name]:
            raise InvalidInput(f'label "{name}" has two descriptions', hint="Give each label once.")
        descriptions[name] = descriptions.get(name) or description or None
    return list(descriptions.items())


def instruction(given: str | None) -> str | None:
    """Guidelines for a language model, None for NULL or blank ones. Raises InvalidInput for ones that are too long."""
    if given is not None and len(given) > _MAX_INSTRUCTION:
        raise InvalidInput(
            f"instruction has {len(given)} characters, and at most {_MAX_INSTRUCTION} are read",
            hint="Say what is wanted in fewer words; texts that show it are examples.",
        )
    return (given or "").strip() or None


def threshold(value: float | None) -> float:
    """A probability; NULL is one half."""
    if value is None:
        return 0.5
    if not 0 <= value <= 1:
        raise InvalidInput(f"threshold must lie between 0 and 1, not {value:g}", hint="It is a probability.")
    return value


def in_range(name: str, value: int | None, low: int, high: int, hint: str | None = None) -> int:
    """A whole number from `low` to `high`. Raises InvalidInput, for NULL too."""
    if value is None or not low <= value <= high:
        raise InvalidInput(f"{name} must lie between {low} and {high}", hint=hint)
    return value


def choice(what: str, value: str | None, choices: Collection[str]) -> str:
    """One of the choices. Raises InvalidInput."""
    if value not in choices:
        raise InvalidInput(f'invalid {what}: "{value}"', hint=f"Use one of: {', '.join(choices)}.")
    return str(value)


def options(given: Any) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(given, dict):
        raise InvalidInput("options must be a JSON object", hint="""Write options => '{"name": 1}'.""")
    plain: dict[str, Any] = plain_json(given)
    return plain


def parse_json(name: str, given: str | None) -> Any:
    """The value of a jsonb argument passed as text; None for NULL. Raises InvalidInput if nested too deeply."""
    try:
        return json.loads(given) if given is not None else None
    except RecursionError as error:
        raise InvalidInput(f"{name} is nested too deeply") from error


def plain_json(given: Any) -> Any:
    """A JSON value with its numbers as int or float: PL/Python passes them as Decimal."""
    return json.loads(json.dumps(given, default=_number))


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


_EXAMPLES_HINT = """Write examples => '[{"text": "it broke", "label": "complaint"}]'; "labels" takes several."""


def examples(given: Any, known: Sequence[Label] | None) -> list[tuple[str, list[str]]]:
    """Texts with their labels, from a JSON list of objects; each label is one of the known ones. [] for NULL."""
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise InvalidInput("examples must be a JSON list of objects", hint=_EXAMPLES_HINT)
    parsed = [_example(item) for item in given]
    known_names = {name for name, _ in known or ()}
    unknown = [name for _, names in parsed for name in names if name not in known_names]
    if unknown:
        raise InvalidInput(
            f'an example has the label "{unknown[0]}", which is not among labels', hint="Add it to labels."
        )
    return parsed


def _example(item: dict[str, Any]) -> tuple[str, list[str]]:
    names = item.get("labels", [item["label"]] if "label" in item else None)
    is_list_of_texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if (
        not is_list_of_texts
        or names is None
        or not isinstance(item.get("text"), str)
        or not item.keys() <= {"text", "label", "labels"}
    ):
        raise InvalidInput("an example is an object with text and label or labels", hint=_EXAMPLES_HINT)
    return str(item["text"]), names


def zip_with_nulls(inputs: Sequence[str | None], results: Iterable[Any]) -> Iterable[tuple[int, Any]]:
    """The position of each text from 1 with its result, or with None for NULL, which has no result."""
    remaining = iter(results)
    return ((position, None if text is None else next(remaining)) for position, text in enumerate(inputs, 1))
