"""Options of trainings: what each is called, which methods know it, its default and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pg_llm.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Option:
    """One option: the methods that know it, its default, its smallest and largest value."""

    methods: tuple[str, ...]
    default: int | float
    least: float
    most: float
    meaning: str


def check(listed: Mapping[str, Option], method: str, given: dict[str, Any]) -> dict[str, Any]:
    """All listed options of the method, those not given with their default. Raises InvalidInput."""
    known = {name: option for name, option in listed.items() if method in option.methods}
    for name, value in given.items():
        if name not in known:
            raise InvalidInput(
                f'unknown option "{name}" for the method {method}', hint=f"Options are: {', '.join(known)}."
            )
        option = known[name]
        whole = isinstance(option.default, int)
        fits = isinstance(value, int | float) and not isinstance(value, bool) and option.least <= value <= option.most
        if not fits or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            raise InvalidInput(
                f'invalid value for option "{name}": {value!r}',
                hint=f"It is {kind} from {option.least:g} to {option.most:g}: {option.meaning}.",
            )
    whole_names = {name for name, option in known.items() if isinstance(option.default, int)}
    chosen = {**{name: option.default for name, option in known.items()}, **given}
    return {name: int(value) if name in whole_names else float(value) for name, value in chosen.items()}
