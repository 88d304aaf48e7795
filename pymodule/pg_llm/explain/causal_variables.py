"""The parts that columns play in a causal question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.errors import InvalidInput

_MOST_COLUMNS = 30
_CONFOUNDERS_HINT = (
    "Name the columns that bear on both treatment and outcome; '{}' says that there are none, as where chance decided."
)


@dataclass(frozen=True, slots=True)
class Variables:
    """The names of columns by their parts."""

    treatment: str
    outcome: str
    confounders: list[str]
    instruments: list[str]

    def names(self) -> list[str]:
        """All of them, the outcome first."""
        return [self.outcome, self.treatment, *self.confounders, *self.instruments]


def read(
    treatment: str, outcome: str, confounders: Sequence[str | None] | None, instruments: Sequence[str | None] | None
) -> Variables:
    """The columns that play a part. Raises InvalidInput where one plays two, or is missing."""
    if confounders is None:
        raise InvalidInput("confounders must not be NULL", hint=_CONFOUNDERS_HINT)
    listed = [*confounders, *(instruments or ())]
    if not all(isinstance(name, str) for name in listed):
        raise InvalidInput("confounders and instruments are lists of column names, without NULL")
    found = Variables(treatment, outcome, [str(name) for name in confounders], [str(n) for n in instruments or ()])
    names = found.names()
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f'"{name}" is named twice', hint="Each column plays one part.")
    if len(names) > _MOST_COLUMNS:
        raise InvalidInput(f"{len(names)} columns are named, and at most {_MOST_COLUMNS} are read")
    return found
