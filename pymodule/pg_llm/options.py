"""Hyperparameters of trainings: name, methods that take it, default and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pg_llm.errors import InvalidInput

_LONGEST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Option:
    """One option: the methods that take it, its default, its smallest and largest value."""

    methods: tuple[str, ...]
    default: int | float
    least: float
    most: float
    meaning: str


def check(options: Mapping[str, Option], method: str, given: dict[str, Any]) -> dict[str, Any]:
    """All options of the method, with defaults for those that are not given. Raises InvalidInput."""
    known = {name: option for name, option in options.items() if method in option.methods}
    for name, value in given.items():
        if name not in known:
            raise InvalidInput(
                f'unknown option "{name}" for the method {method}', hint=f"Options are: {', '.join(known)}."
            )
        option = known[name]
        integer = isinstance(option.default, int)
        in_range = (
            isinstance(value, int | float) and not isinstance(value, bool) and option.least <= value <= option.most
        )
        if not in_range or (integer and value != int(value)):
            kind = "a whole number" if integer else "a number"
            raise InvalidInput(
                f'invalid value for option "{name}": {str(value)[:_LONGEST_SHOWN]}',
                hint=f"It is {kind} from {option.least:g} to {option.most:g}: {option.meaning}.",
            )
    integers = {name for name, option in known.items() if isinstance(option.default, int)}
    chosen = {**{name: option.default for name, option in known.items()}, **given}
    return {name: int(value) if name in integers else float(value) for name, value in chosen.items()}
