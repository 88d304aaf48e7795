"""Relation extraction from texts: entities are recognized and typed, then the relations between them are found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import settings
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.graph import entity_typing
from pg_llm.graph.entity_typing import Mention
from pg_llm.graph.schema import Schema

MODELS = ("entities", "relations", "generation")
_MAX_NAME_CHARACTERS = 1000
# The cosine from which a phrase is taken to express a relation with a given description.
_MIN_SIMILARITY = 0.5


@dataclass(frozen=True, slots=True)
class Entity:
    """A mention of an entity: its words, type and confidence; positions count from 0, the end is excluded."""

    name: str
    type: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation between two entities, given by their positions in the list, and the passage that states it."""

    subject: int
    predicate: str
    object: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Extraction:
    """The entities and relations of one text."""

    entities: list[Entity]
    relations: list[Relation]


def triples(db: Connection, text: str, schema: Schema, model: str | None) -> list[dict[str, Any]]:
    """The relations of a text as rows of graph_extract(); positions count from 1."""
    (extraction,) = extract(db, [text], schema, model)
    entities = extraction.entities
    return [
        {
            "subject": entities[relation.subject].name,
            "subject_type": entities[relation.subject].type,
            "predicate": relation.predicate,
            "object": entities[relation.object].name,
            "object_type": entities[relation.object].type,
            "confidence": relation.score,
            "start_pos": relation.start + 1,
            "end_pos": relation.end + 1,
        }
        for relation in extraction.relations
    ]


def extract(db: Connection, texts: Sequence[str], schema: Schema, model: str | None) -> list[Extraction]:
    """Entities and relations of each text, of the schema's types only.

    A generative model finds both; otherwise an entity model finds the entities between which the relations are.
    """
    extractor = models.find(db, model, "entities", MODELS)
    if extractor.task == "generation":
        return extract_relations(db, texts, [[] for _ in texts], schema, extractor, set())
    recognizer = extractor
    if extractor.task != "entities":
        recognizer = models.find(db, extractor.option("entities_model"), "entities", ("entities",))
    mentions, recognized = entity_typing.recognize(db, recognizer, texts, schema)
    return extract_relations(db, texts, mentions, schema, extractor, recognized)


def extract_relations(
    db: Connection,
    texts: Sequence[str],
    mentions: Sequence[Sequence[Mention]],
    schema: Schema,
    extractor: Model,
    recognized: set[str],
) -> list[Extraction]:
    """Relations between the given entities of each text; `recognized` are the types that the entity model can tell."""
    types = schema.relation_types
    relations = None if types is None else {name: relation.to_wire() for name, relation in types.items()}
    inputs = [
        json.dumps({"text": text, "entities": of_text}, ensure_ascii=False)
        for text, of_text in zip(texts, mentions, strict=True)
    ]
    options = {"relations": relations, "types": schema.types, "known": sorted(recognized)}
    results = [json.loads(result) for result in _parser(db, extractor).run("relations", inputs, **options)]
    _decide_open_questions(db, results, schema)
    entity_typing.type_untyped(db, texts, [result["entities"] for result in results], schema)
    return [_extraction(text, result, schema) for text, result in zip(texts, results, strict=True)]


def _parser(db: Connection, extractor: Model) -> Model:
    """The model that finds the relations: the default one in place of a tagger, which cannot parse."""
    if extractor.task != "entities" or str(extractor.wire["source"]).startswith("package:"):
        return extractor
    return models.find(db, settings.default("llm.entities_model"), "entities", ("entities",))


def _decide_open_questions(db: Connection, results: Sequence[dict[str, Any]], schema: Schema) -> None:
    """Add a relation for an open phrase where its embedding is similar to the relation's description."""
    types = schema.relation_types or {}
    questions = [(result, question) for result in results for question in result.get("open", ())]
    if not questions:
        return
    names = list(types)
    column = {name: number for number, name in enumerate(names)}
    labels = [(name.replace("_", " ").replace("-", " "), types[name].description) for name in names]
    phrases = [question[2] for _, question in questions]
    model = models.find(db, None, "embedding")
    similarities = model.run("likeness", phrases, labels=labels)
    for (result, question), row in zip(questions, map(json.loads, similarities), strict=True):
        one, other, _, start, end, score, candidates = question
        name, reversed_ = max(candidates, key=lambda candidate: row[column[candidate[0]]])
        similarity = row[column[name]]
        if similarity >= _MIN_SIMILARITY:
            subject, object_ = (other, one) if reversed_ else (one, other)
            result["relations"].append([subject, name, object_, start, end, score * similarity])


def _extraction(text: str, result: dict[str, Any], schema: Schema) -> Extraction:
    """The entities with a name and an allowed type, and the relations between these."""
    allowed = None if schema.entity_types is None else {name for name, _ in schema.entity_types}
    position: dict[int, int] = {}
    entities: list[Entity] = []
    for number, (type_, start, end, score) in enumerate(result["entities"]):
        name = " ".join(text[start:end].split())
        if name and type_ and len(name) <= _MAX_NAME_CHARACTERS and (allowed is None or type_ in allowed):
            position[number] = len(entities)
            entities.append(Entity(name, type_, start, end, score))
    relations = [
        Relation(position[subject], predicate, position[object_], start, end, round(score, 4))
        for subject, predicate, object_, start, end, score in result["relations"]
        if subject in position and object_ in position and position[subject] != position[object_]
    ]
    relations.sort(key=lambda relation: (relation.start, relation.end, relation.subject, relation.object))
    return Extraction(entities, relations)
