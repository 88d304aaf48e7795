"""What a graph may hold: types of entities, and relations with the types of their ends and the words that say them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.arguments import Label
from pg_llm.errors import InvalidInput

_LONGEST_NAME = 200
_MOST_RELATIONS = 1000
_KEYS = ("subject", "object", "words", "description", "functional")
_HINT = """Write relation_types => '["treats"]' or '{"treats": {"subject": "Drug", "words": ["treat"]}}'."""
_PARTS = re.compile(r"[_\-\s]+")


@dataclass(frozen=True, slots=True)
class RelationType:
    """A relation: types of its ends (none for any), words that say it, whether a subject has one object only."""

    subject: tuple[str, ...] = ()
    object: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    description: str | None = None
    functional: bool = False

    def to_wire(self) -> dict[str, Any]:
        """What a task needs of it."""
        return {
            "subject": list(self.subject),
            "object": list(self.object),
            "words": list(self.words),
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class Schema:
    """Types of entities with their descriptions, and relations by name; None where any is welcome."""

    entity_types: list[Label] | None = None
    relation_types: dict[str, RelationType] | None = None

    @property
    def types(self) -> list[Label] | None:
        """The types of entities that can come out: those given, or else those that all relations name."""
        if self.entity_types is not None:
            return self.entity_types
        relations = self.relation_types
        if not relations or not all(its.subject and its.object for its in relations.values()):
            return None
        return [(name, None) for name in dict.fromkeys(self.role_types)]

    @property
    def role_types(self) -> list[str]:
        """The types that relations name for their ends."""
        return [name for its in (self.relation_types or {}).values() for name in (*its.subject, *its.object)]


def parse(entity_types: Sequence[str | None] | None, relation_types: Any) -> Schema:
    """The schema of two arguments. Raises InvalidInput."""
    types = arguments.labels(entity_types, "entity_types")
    relations = _relations(relation_types)
    if types is not None:
        known = {name for name, _ in types}
        for name, its in (relations or {}).items():
            strange = [kind for kind in (*its.subject, *its.object) if kind not in known]
            if strange:
                raise InvalidInput(
                    f'relation "{name}" names the type "{strange[0]}", which is not among entity_types',
                    hint=f"Add it to entity_types, or use one of: {', '.join(known)}.",
                )
    _check_words(relations or {})
    return Schema(types, relations)


def _relations(given: Any) -> dict[str, RelationType] | None:
    if given is None:
        return None
    plain = arguments.plain_json(given)
    if isinstance(plain, list) and all(isinstance(name, str) for name in plain):
        plain = dict.fromkeys(plain, None)
    if not isinstance(plain, dict):
        raise InvalidInput("relation_types must be a JSON list of names or a JSON object", hint=_HINT)
    if not plain:
        raise InvalidInput("relation_types must not be empty", hint=f"{_HINT} NULL takes any relation.")
    if len(plain) > _MOST_RELATIONS:
        raise InvalidInput(f"there are {len(plain)} relation types, and {_MOST_RELATIONS} can be told apart at most")
    return {_name(name, "relation"): _relation(name, its) for name, its in plain.items()}


def _relation(name: str, its: Any) -> RelationType:
    if its is None:
        return RelationType()
    if not isinstance(its, dict):
        raise InvalidInput(f'relation "{name}" is described by no JSON object', hint=_HINT)
    strange = [key for key in its if key not in _KEYS]
    if strange:
        raise InvalidInput(
            f'relation "{name}" has no property "{strange[0]}"', hint=f"It can have: {', '.join(_KEYS)}."
        )
    description, functional = its.get("description"), its.get("functional")
    if description is not None and not isinstance(description, str):
        raise InvalidInput(f'the description of relation "{name}" is no text', hint=_HINT)
    if functional is not None and not isinstance(functional, bool):
        raise InvalidInput(f'"functional" of relation "{name}" is neither true nor false', hint=_HINT)
    return RelationType(
        _list(name, its, "subject"),
        _list(name, its, "object"),
        _list(name, its, "words"),
        description or None,
        bool(functional),
    )


def _list(relation: str, its: dict[str, Any], key: str) -> tuple[str, ...]:
    """One text or a list of them, none for a key that is not there."""
    found = its.get(key)
    if found is None:
        return ()
    items = [found] if isinstance(found, str) else found
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise InvalidInput(f'"{key}" of relation "{relation}" must be a text or a list of texts', hint=_HINT)
    if not items:
        raise InvalidInput(
            f'"{key}" of relation "{relation}" is an empty list', hint="Leave it out where there is nothing to say."
        )
    return tuple(dict.fromkeys(_name(item, f'"{key}" of relation "{relation}"') for item in items))


def _name(given: str, what: str) -> str:
    name = " ".join(given.split())
    if not name or len(name) > _LONGEST_NAME:
        raise InvalidInput(
            f'not a name for {what}: "{given[:50]}"', hint=f"A name has 1 to {_LONGEST_NAME} characters."
        )
    return name


def _check_words(relations: dict[str, RelationType]) -> None:
    """Raise InvalidInput where a word says two relations between the same types: nothing could tell them apart."""
    said: dict[tuple[Any, ...], str] = {}
    for name, its in relations.items():
        for word in its.words or (" ".join(_PARTS.split(name)),):
            key = (word.lower(), frozenset(its.subject), frozenset(its.object))
            other = said.setdefault(key, name)
            if other != name:
                raise InvalidInput(
                    f'relations "{other}" and "{name}" are both said by "{word}", between the same types',
                    hint="Give them different words, or different types of subject or object.",
                )
