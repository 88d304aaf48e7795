"""The relation types of a request, with domain and range, and the trigger words that express them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_WORD_SEPARATORS = re.compile(r"[_\-\s]+|(?<=[a-z])(?=[A-Z])")
# Prepositions that introduce the agent or the instrument of a passive sentence.
AGENT_PREPOSITIONS = ("by", "with", "using", "through", "via")


@dataclass(frozen=True, slots=True)
class Trigger:
    """Words that express a relation: their text, their stems, and features of their form.

    `prepositional`: a preposition is part of them; `passive_by`: it is "by"; `inflected`: they are a participle.
    """

    text: str
    stems: frozenset[str]
    prepositional: bool = False
    passive_by: bool = False
    inflected: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation type: its domain and range (empty for any type) and its triggers."""

    name: str
    subject: tuple[str, ...]
    object: tuple[str, ...]
    triggers: tuple[Trigger, ...] = field(default=())

    def fits(self, subject: str | None, object: str | None) -> bool:
        """Whether domain and range allow two types."""
        return (not self.subject or subject in self.subject) and (not self.object or object in self.object)


def parse_relations(
    options: dict[str, Any], make_triggers: Callable[[Sequence[str]], Sequence[Trigger]]
) -> list[Relation] | None:
    """The relations of the option `relations`, with triggers made of their words; None where any is allowed."""
    if options["relations"] is None:
        return None
    return [
        Relation(
            name,
            tuple(relation["subject"]),
            tuple(relation["object"]),
            tuple(make_triggers(relation["words"] or [split_name(name)])),
        )
        for name, relation in options["relations"].items()
    ]


def split_name(name: str) -> str:
    """A name as words: works_for and worksFor become 'works for'."""
    return " ".join(part for part in _WORD_SEPARATORS.split(name) if part).lower() or name
