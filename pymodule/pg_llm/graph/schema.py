"""The schema (ontology) of a graph: entity types, and relation types with domain, range and the words for them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.arguments import Label
from pg_llm.database.connection import Row
from pg_llm.errors import InvalidInput

_MAX_NAME_CHARACTERS = 200
_MAX_RELATIONS = 1000
_KEYS = ("subject", "object", "words", "description", "functional")
_HINT = """Write relation_types => '["treats"]' or '{"treats": {"subject": "Drug", "words": ["treat"]}}'."""
_WORD_SEPARATORS = re.compile(r"[_\-\s]+")


@dataclass(frozen=True, slots=True)
class RelationType:
    """A relation: its domain and range (empty for any type), words that express it, whether it is functional."""

    subject: tuple[str, ...] = ()
    object: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    description: str | None = None
    functional: bool = False

    def to_wire(self) -> dict[str, Any]:
        """The form in which the model host takes it."""
        return {
            "subject": list(self.subject),
            "object": list(self.object),
            "words": list(self.words),
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class Schema:
    """Entity types with their descriptions, and relation types by name; None where any type is allowed."""

    entity_types: list[Label] | None = None
    relation_types: dict[str, RelationType] | None = None

    @property
    def types(self) -> list[Label] | None:
        """The entity types that can be extracted: those listed, or else those in the relations' domains and ranges."""
        if self.entity_types is not None:
            return self.entity_types
        relations = self.relation_types
        if not relations or not all(relation.subject and relation.object for relation in relations.values()):
            return None
        return [(name, None) for name in dict.fromkeys(self.role_types)]

    @property
    def role_types(self) -> list[str]:
        """The types in the domains and ranges of the relations."""
        relations = (self.relation_types or {}).values()
        return [name for relation in relations for name in (*relation.subject, *relation.object)]


def parse(entity_types: Sequence[str | None] | None, relation_types: Any) -> Schema:
    """The schema that the arguments entity_types and relation_types describe. Raises InvalidInput."""
    types = arguments.labels(entity_types, "entity_types")
    relations = _parse_relation_types(relation_types)
    if types is not None:
        known = {name for name, _ in types}
        for name, relation in (relations or {}).items():
            unknown = [type_ for type_ in (*relation.subject, *relation.object) if type_ not in known]
            if unknown:
                raise InvalidInput(
                    f'relation "{name}" names the type "{unknown[0]}", which is not among entity_types',
                    hint=f"Add it to entity_types, or use one of: {', '.join(known)}.",
                )
    _check_words(relations or {})
    return Schema(types, relations)


def of_graph(graph: Row) -> Schema:
    """The schema that a graph was created with."""
    return parse(graph["entity_types"], json.loads(graph["relation_types"] or "null"))


def functional_predicates(graph: Row) -> list[str]:
    """The relation types of a graph under which a subject has one object only."""
    relation_types = of_graph(graph).relation_types or {}
    return [name for name, relation in relation_types.items() if relation.functional]


def _parse_relation_types(given: Any) -> dict[str, RelationType] | None:
    if given is None:
        return None
    plain = arguments.plain_json(given)
    if isinstance(plain, list) and all(isinstance(name, str) for name in plain):
        plain = dict.fromkeys(plain, None)
    if not isinstance(plain, dict):
        raise InvalidInput("relation_types must be a JSON list of names or a JSON object", hint=_HINT)
    if not plain:
        raise InvalidInput("relation_types must not be empty", hint=f"{_HINT} NULL takes any relation.")
    if len(plain) > _MAX_RELATIONS:
        raise InvalidInput(f"there are {len(plain)} relation types, and {_MAX_RELATIONS} can be told apart at most")
    return {_name(name, "relation"): _relation_type(name, properties) for name, properties in plain.items()}


def _relation_type(name: str, properties: Any) -> RelationType:
    if properties is None:
        return RelationType()
    if not isinstance(properties, dict):
        raise InvalidInput(f'relation "{name}" is described by no JSON object', hint=_HINT)
    unknown = [key for key in properties if key not in _KEYS]
    if unknown:
        raise InvalidInput(
            f'relation "{name}" has no property "{unknown[0]}"', hint=f"It can have: {', '.join(_KEYS)}."
        )
    description, functional = properties.get("description"), properties.get("functional")
    if description is not None and not isinstance(description, str):
        raise InvalidInput(f'the description of relation "{name}" is no text', hint=_HINT)
    if functional is not None and not isinstance(functional, bool):
        raise InvalidInput(f'"functional" of relation "{name}" is neither true nor false', hint=_HINT)
    return RelationType(
        _texts(name, properties, "subject"),
        _texts(name, properties, "object"),
        _texts(name, properties, "words"),
        description or None,
        bool(functional),
    )


def _texts(relation: str, properties: dict[str, Any], key: str) -> tuple[str, ...]:
    """The value of a property that is one text or a list of texts; empty where it is missing."""
    value = properties.get(key)
    if value is None:
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise InvalidInput(f'"{key}" of relation "{relation}" must be a text or a list of texts', hint=_HINT)
    if not items:
        raise InvalidInput(
            f'"{key}" of relation "{relation}" is an empty list', hint="Leave it out where there is nothing to say."
        )
    return tuple(dict.fromkeys(_name(item, f'"{key}" of relation "{relation}"') for item in items))


def _name(given: str, what: str) -> str:
    name = " ".join(given.split())
    if not name or len(name) > _MAX_NAME_CHARACTERS:
        raise InvalidInput(
            f'not a name for {what}: "{given[:50]}"', hint=f"A name has 1 to {_MAX_NAME_CHARACTERS} characters."
        )
    return name


def _check_words(relations: dict[str, RelationType]) -> None:
    """Raise InvalidInput where one word expresses two relations between the same types: a text could not be read."""
    relation_of: dict[tuple[Any, ...], str] = {}
    for name, relation in relations.items():
        for word in relation.words or (" ".join(_WORD_SEPARATORS.split(name)),):
            key = (word.lower(), frozenset(relation.subject), frozenset(relation.object))
            other = relation_of.setdefault(key, name)
            if other != name:
                raise InvalidInput(
                    f'relations "{other}" and "{name}" are both said by "{word}", between the same types',
                    hint="Give them different words, or different types of subject or object.",
                )


class SchemaValidator:
    """Checks types against the schema of a graph; a graph without lists of types allows any."""

    def __init__(self, graph: Row) -> None:
        schema = of_graph(graph)
        self._graph_name: str = graph["name"]
        self._types = sorted(name for name, _ in schema.entity_types or ())
        self._predicates = sorted(schema.relation_types or ())

    def check_type(self, name: str) -> None:
        """Raise InvalidInput for an entity type that the graph does not allow."""
        self._check("entity type", name, self._types)

    def check_predicate(self, name: str) -> None:
        """Raise InvalidInput for a relation type that the graph does not allow."""
        self._check("relation type", name, self._predicates)

    def _check(self, what: str, name: str, allowed: list[str]) -> None:
        if allowed and name not in allowed:
            raise InvalidInput(
                f'the graph "{self._graph_name}" has no {what} "{name}"', hint=f"It has: {', '.join(allowed)}."
            )
