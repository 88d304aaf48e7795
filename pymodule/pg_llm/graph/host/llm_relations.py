"""Relation extraction by a generative model, which writes JSON by a schema; names that the text lacks are dropped."""

from __future__ import annotations

import json
import re
from typing import Any

from pg_llm import tasks
from pg_llm.generate.host import extraction
from pg_llm.graph.host import relation_types
from pg_llm.graph.host.extraction_result import ExtractionResult, Mention
from pg_llm.models.engine import GenerationEngine
from pg_llm.tasks import Steps, WorkItem, passages, stepwise

_PROMPT = "List the relations that the text states, as JSON: who or what, which relation, to whom or to what.{kinds}"
_MAX_TOKENS = 512
_MAX_RELATIONS = 20
# Characters of a text for each relation that it may state.
_CHARACTERS_PER_RELATION = 20
# A generative model gives no probabilities.
_CONFIDENCE = 0.5
_MAX_NAME_CHARACTERS = 200


def work(writer: GenerationEngine, text: str, options: dict[str, Any]) -> WorkItem:
    """The work for one text; a long one is read in parts that a prompt holds."""
    return stepwise(_extract(writer, text, options))


def _extract(writer: GenerationEngine, text: str, options: dict[str, Any]) -> Steps:
    prompt = _PROMPT.format(kinds=_describe(options["relations"]))
    result = ExtractionResult()
    for ranges in passages.prompt_parts(writer, text):
        parts = [text[start:end] for start, end in ranges]
        works = [
            extraction.work(writer, _schema(options, part), prompt, part, _MAX_TOKENS, json.dumps) for part in parts
        ]
        outputs = yield tasks.windows(works)
        for (start, _), part, each, output in zip(ranges, parts, works, outputs, strict=True):
            _locate(part, start, json.loads(str(each.finish([output]))) or {}, options, result)
    return result.to_json()


def _describe(relations: dict[str, Any] | None) -> str:
    """The part of the prompt that describes the relations."""
    if not relations:
        return ""
    descriptions = [
        f"{name}: {relation['description'] or relation_types.split_name(name)}"
        + (f" (from {' or '.join(relation['subject'])})" if relation["subject"] else "")
        + (f" (to {' or '.join(relation['object'])})" if relation["object"] else "")
        for name, relation in relations.items()
    ]
    return " Relations are: " + "; ".join(descriptions) + "."


def _schema(options: dict[str, Any], text: str) -> dict[str, Any]:
    """The JSON Schema of the answer; a short text cannot state many relations."""
    max_items = min(_MAX_RELATIONS, 1 + len(text) // _CHARACTERS_PER_RELATION)
    name = {"type": "string", "maxLength": _MAX_NAME_CHARACTERS}
    properties: dict[str, Any] = {"subject": name, "predicate": name, "object": name}
    if options["relations"]:
        properties["predicate"] = {"enum": list(options["relations"])}
    if options["types"]:
        types = {"enum": [name for name, _ in options["types"]]}
        properties = {
            "subject": name,
            "subject_type": types,
            "predicate": properties["predicate"],
            "object": name,
            "object_type": types,
        }
    item = {"type": "object", "properties": properties}
    relations = {"type": "array", "items": item, "maxItems": max_items}
    return {"type": "object", "properties": {"relations": relations}}


def _locate(text: str, offset: int, answer: dict[str, Any], options: dict[str, Any], result: ExtractionResult) -> None:
    """Add the relations of the answer whose entities occur in the text, which begins at the offset."""
    relations = relation_types.parse_relations(options, lambda _: ()) or []
    by_name = {relation.name: relation for relation in relations}
    for item in answer.get("relations") or ():
        subject, predicate, object_ = (item.get(part) for part in ("subject", "predicate", "object"))
        if not subject or not predicate or not object_:
            continue
        relation = by_name.get(predicate)
        one = _mention(text, offset, subject, item.get("subject_type"), relation.subject if relation else (), 0)
        if one is None:
            continue
        after = one[2] - offset
        other = _mention(text, offset, object_, item.get("object_type"), relation.object if relation else (), after)
        if other and (relation is None or relation.fits(one[0], other[0])):
            result.add_relation(one, predicate, other, (one[1], one[2]), _CONFIDENCE)


def _mention(
    text: str, offset: int, name: str, type_: str | None, types: tuple[str, ...], after: int
) -> Mention | None:
    """The first occurrence of a name after a position, or else the first of all; a relation's only type overrides."""
    starts = [match.start() for match in re.finditer(re.escape(name), text)]
    if not starts:
        return None
    start = offset + next((start for start in starts if start >= after), starts[0])
    return types[0] if len(types) == 1 else type_, start, start + len(name), _CONFIDENCE
