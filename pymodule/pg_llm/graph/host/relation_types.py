"""The relations that are asked for, and how words and types of two things fit them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_PARTS = re.compile(r"[_\-\s]+|(?<=[a-z])(?=[A-Z])")
# Prepositions that the doer, or the means, of a passive sentence follows.
MEANS = ("by", "with", "using", "through", "via")


@dataclass(frozen=True, slots=True)
class Trigger:
    """One way of saying a relation: its words as a text has them, their stems, and what follows from their form."""

    text: str
    stems: frozenset[str]
    # Whether a preposition is part of it, whether that is "by", and whether it is a participle or a noun.
    leads: bool = False
    by: bool = False
    bent: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation, the types of its two ends (none for any), and how it is said."""

    name: str
    subject: tuple[str, ...]
    object: tuple[str, ...]
    triggers: tuple[Trigger, ...] = field(default=())

    def fits(self, subject: str | None, object: str | None) -> bool:
        """Whether two types can be those of its ends."""
        return (not self.subject or subject in self.subject) and (not self.object or object in self.object)


def relations(options: dict[str, Any], trigger: Callable[[Sequence[str]], Sequence[Trigger]]) -> list[Relation] | None:
    """Those of option `relations`; None where any is welcome. `trigger` reads ways of saying one."""
    if options["relations"] is None:
        return None
    return [
        Relation(name, tuple(its["subject"]), tuple(its["object"]), tuple(trigger(its["words"] or [spoken(name)])))
        for name, its in options["relations"].items()
    ]


def spoken(name: str) -> str:
    """A name as words: works_for and worksFor are 'works for'."""
    return " ".join(part for part in _PARTS.split(name) if part).lower() or name
