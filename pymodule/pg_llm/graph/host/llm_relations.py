"""Relations that a language model writes as JSON; what it names stands in the text."""

from __future__ import annotations

import re
from typing import Any

from pg_llm.generate.host import extraction
from pg_llm.graph.host import relation_types
from pg_llm.graph.host.extraction_result import Found, Mention
from pg_llm.models.engine import GenerationEngine
from pg_llm.tasks import WorkItem

_ASK = "List the relations that the text states, as JSON: who or what, which relation, to whom or to what.{kinds}"
_MOST_TOKENS = 512
_MOST_RELATIONS = 20
# Characters of a text for each.
_LEAST_TEXT = 20
# A model that writes says nothing of how sure it is.
_SURE = 0.5
_LONGEST_NAME = 200


def work(writer: GenerationEngine, text: str, options: dict[str, Any]) -> WorkItem:
    """The relations of one text; of a long one its beginning is read."""
    asked = options["relations"]
    read = writer.truncate(text)

    def finish(found: Any) -> str:
        return _placed(read, found or {}, options)

    return extraction.work(writer, _schema(options, read), _ASK.format(kinds=_kinds(asked)), read, _MOST_TOKENS, finish)


def _kinds(asked: dict[str, Any] | None) -> str:
    """What the relations mean, for the prompt."""
    if not asked:
        return ""
    said = [
        f"{name}: {its['description'] or relation_types.spoken(name)}"
        + (f" (from {' or '.join(its['subject'])})" if its["subject"] else "")
        + (f" (to {' or '.join(its['object'])})" if its["object"] else "")
        for name, its in asked.items()
    ]
    return " Relations are: " + "; ".join(said) + "."


def _schema(options: dict[str, Any], text: str) -> dict[str, Any]:
    """The JSON Schema of the answer; a short text cannot state many."""
    most = min(_MOST_RELATIONS, 1 + len(text) // _LEAST_TEXT)
    name = {"type": "string", "maxLength": _LONGEST_NAME}
    properties: dict[str, Any] = {"subject": name, "predicate": name, "object": name}
    if options["relations"]:
        properties["predicate"] = {"enum": list(options["relations"])}
    if options["types"]:
        kinds = {"enum": [name for name, _ in options["types"]]}
        properties = {
            "subject": name,
            "subject_type": kinds,
            "predicate": properties["predicate"],
            "object": name,
            "object_type": kinds,
        }
    item = {"type": "object", "properties": properties}
    its = {"relations": {"type": "array", "items": item, "maxItems": most}}
    return {"type": "object", "properties": its}


def _placed(text: str, answer: dict[str, Any], options: dict[str, Any]) -> str:
    """The answer's relations with the places of what they name."""
    found = Found()
    relations = relation_types.relations(options, lambda _: ()) or []
    by_name = {relation.name: relation for relation in relations}
    for item in answer.get("relations") or ():
        subject, predicate, target = (item.get(part) for part in ("subject", "predicate", "object"))
        if not subject or not predicate or not target:
            continue
        relation = by_name.get(predicate)
        one = _mention(text, subject, item.get("subject_type"), relation.subject if relation else (), 0)
        if one is None:
            continue
        other = _mention(text, target, item.get("object_type"), relation.object if relation else (), one[2])
        if other and (relation is None or relation.fits(one[0], other[0])):
            found.relate(one, predicate, other, (one[1], one[2]), _SURE)
    return found.written()


def _mention(text: str, name: str, kind: str | None, types: tuple[str, ...], after: int) -> Mention | None:
    """Where a name stands, first after a place; its type is the relation's where that leaves no choice."""
    places = [match.start() for match in re.finditer(re.escape(name), text)]
    if not places:
        return None
    start = next((place for place in places if place >= after), places[0])
    return types[0] if len(types) == 1 else kind, start, start + len(name), _SURE
