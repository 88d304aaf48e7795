"""Extraction: entities and the relations between them, from texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import settings
from pg_llm.arguments import Label
from pg_llm.classify import entities
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.graph import schema as graph_schema
from pg_llm.graph.schema import Schema

MODELS = ("entities", "relations", "generation")
_LONGEST_NAME = 1000
# Numbers are no things, unless they are asked for.
_NUMBERS = ("CARDINAL", "ORDINAL", "PERCENT", "QUANTITY")
# Names that people give to what entity models call otherwise.
_NAMES = {
    "PERSON": ("person", "people", "human", "人物", "人", "人名", "人员"),
    "PER": ("person", "people", "human", "人物", "人", "人名", "人员"),
    "ORG": ("organization", "organisation", "org", "company", "institution", "机构", "组织", "公司", "企业", "机构名"),
    "GPE": ("place", "location", "country", "city", "state", "地点", "地名", "国家", "城市"),
    "LOC": ("place", "location", "country", "city", "state", "region", "地点", "地名", "地区", "国家", "城市"),
    "FAC": ("facility", "building"),
    "DATE": ("date", "日期", "时间"),
    "TIME": ("time", "date", "日期", "时间"),
    "MONEY": ("money", "amount", "金额"),
    "PRODUCT": ("product",),
    "EVENT": ("event",),
    "LAW": ("law",),
    "LANGUAGE": ("language",),
    "WORK_OF_ART": ("work of art", "artwork"),
    "NORP": ("nationality", "group"),
}
# Of a phrase and the description of a relation: cosine from which the one says the other.
_ALIKE = 0.5
# How much likelier a type is that the entity model's label names.
_PRIOR = 5.0
_OTHER = "something else"
_UNTYPED = "OTHER"

# Type, start, end, score.
Mention = tuple[str | None, int, int, float]


@dataclass(frozen=True, slots=True)
class Entity:
    """A mention: what it says, its type, its place from 0 with the end excluded, and how sure it is."""

    name: str
    type: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation between two entities, by their numbers; `start` and `end` are where the text says so."""

    subject: int
    predicate: str
    object: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Extracted:
    """What one text says."""

    entities: list[Entity]
    relations: list[Relation]


def graph_extract(
    db: Connection, input: str | None, entity_types: list[str] | None, relation_types: Any, model: str | None
) -> list[dict[str, Any]]:
    """The relations that a text states: who or what, which relation, to whom or to what, and where it says so."""
    schema = graph_schema.parse(entity_types, relation_types)
    if input is None:
        return []
    found = find(db, [input], schema, model)[0]
    return [
        {
            "subject": found.entities[its.subject].name,
            "subject_type": found.entities[its.subject].type,
            "predicate": its.predicate,
            "object": found.entities[its.object].name,
            "object_type": found.entities[its.object].type,
            "confidence": its.score,
            "start_pos": its.start + 1,
            "end_pos": its.end + 1,
        }
        for its in found.relations
    ]


def find(db: Connection, texts: Sequence[str], schema: Schema, model: str | None) -> list[Extracted]:
    """Entities and relations of each text, of the schema's types only."""
    able = models.find(db, model, "entities", MODELS)
    if able.task == "generation":
        return relate(db, texts, [[] for _ in texts], schema, able, set())
    source = (
        able if able.task == "entities" else models.find(db, able.option("entities_model"), "entities", ("entities",))
    )
    given, known = _entities(db, source, texts, schema)
    return relate(db, texts, given, schema, able, known)


def relate(
    db: Connection,
    texts: Sequence[str],
    given: Sequence[Sequence[Mention]],
    schema: Schema,
    able: Model,
    known: set[str],
) -> list[Extracted]:
    """Relations between the given entities of each text; `known` are the schema's types that their model can tell."""
    asked = schema.relation_types
    relations = None if asked is None else {name: its.to_wire() for name, its in asked.items()}
    inputs = [
        json.dumps({"text": text, "entities": its}, ensure_ascii=False) for text, its in zip(texts, given, strict=True)
    ]
    options = {"relations": relations, "types": schema.types, "known": sorted(known)}
    found = [json.loads(result) for result in _reader(db, able).run("relations", inputs, **options)]
    _answer(db, found, schema)
    _type(db, texts, found, schema)
    return [_extracted(text, its, schema) for text, its in zip(texts, found, strict=True)]


def _reader(db: Connection, able: Model) -> Model:
    """What finds the relations: the model itself, or the default one where it tags words and cannot parse."""
    if able.task != "entities" or str(able.wire["source"]).startswith("package:"):
        return able
    return models.find(db, settings.default("llm.entities_model"), "entities", ("entities",))


def _entities(
    db: Connection, able: Model, texts: Sequence[str], schema: Schema
) -> tuple[list[list[Mention]], set[str]]:
    """The entities of each text under the schema's types, and which of these the model can tell."""
    own, roles = able.labels or [], set(schema.role_types)
    wanted = schema.types
    if wanted is None:
        # Everything but numbers, under the relations' words for it where they have any.
        wanted = [(name, None) for name in dict.fromkeys((*schema.role_types, *(_things(own, roles))))]
    exact = {name: [name] for name, _ in wanted if name in own}
    alike = {label: _alike(label, wanted) for label in own if label not in exact}
    named = {**exact, **{label: names for label, names in alike.items() if names}}
    known = {name for names in named.values() for name in names}
    left = [(name, description) for name, description in wanted if name not in known and name not in roles]
    asked = [label for label in own if label in named or (left and label not in _NUMBERS)]
    found = _labelled(db, able, texts, asked)
    several = {name for names in named.values() if len(names) > 1 for name in names}
    choices = [label for label in wanted if label[0] in several or (left and label[0] not in exact)]
    _judge(db, texts, found, named, choices)
    return found, known | {name for name, _ in left}


def _alike(label: str, wanted: Sequence[Label]) -> list[str]:
    """The types that mean what a model's label means."""
    return [name for name, _ in wanted if name.lower() in _NAMES.get(label, ())]


def _things(own: Sequence[str], roles: set[str]) -> list[str]:
    """A model's labels without numbers and without those that a relation calls otherwise."""
    words = [(name, None) for name in roles]
    return [label for label in own if label in roles or (label not in _NUMBERS and not _alike(label, words))]


def _labelled(db: Connection, able: Model, texts: Sequence[str], labels: Sequence[str]) -> list[list[Mention]]:
    if not labels:
        return [[] for _ in texts]
    return [
        [tuple(entity) for entity in its]  # type: ignore[misc]  # JSON lists of four
        for its in entities.find(db, able, texts, [(name, None) for name in labels])
    ]


def _judge(
    db: Connection,
    texts: Sequence[str],
    found: list[list[Mention]],
    named: dict[str, list[str]],
    choices: Sequence[Label],
) -> None:
    """Put the schema's types in place of the model's; where several may be meant, the classification model chooses."""
    questions = [
        (text, mention, its)
        for text, its in zip(texts, found, strict=True)
        for mention in its
        if _doubtful(named.get(str(mention[0]), []), choices)
    ]
    answers = iter(_chosen(db, [(text, mention) for text, mention, _ in questions], choices, named))
    for its in found:
        kept: list[Mention] = []
        for mention in its:
            names = named.get(str(mention[0]), [])
            kind: str | None = names[0] if names else None
            score = mention[3]
            if _doubtful(names, choices):
                kind, share = next(answers)
                score *= share
            if kind and kind != _OTHER:
                kept.append((kind, mention[1], mention[2], score))
        its[:] = kept


def _doubtful(names: Sequence[str], choices: Sequence[Label]) -> bool:
    """Whether a model's label leaves open which of the schema's types is meant."""
    return bool(choices) and (len(names) != 1 or names[0] in {name for name, _ in choices})


def _chosen(
    db: Connection, asked: Sequence[tuple[str, Mention]], choices: Sequence[Label], named: dict[str, list[str]]
) -> Iterator[tuple[str, float]]:
    """Which of the types each mention is, and how probably; the types that its label names are the likelier ones."""
    if not asked:
        return
    from pg_llm.classify import scoring

    judge = models.find(db, None, "classification", scoring.MODELS)
    phrases = [
        entities.phrase(text, (str(kind or "thing"), start, end, score)) for text, (kind, start, end, score) in asked
    ]
    labels = [*choices, (_OTHER, None)]
    results = judge.run("classification", phrases, labels=labels, examples=[], many=False, variant=0)
    for (_, mention), result in zip(asked, results, strict=True):
        scores = json.loads(result)
        for name in named.get(str(mention[0]), ()):
            scores[name] *= _PRIOR
        best = scoring.best(scores)
        yield best, scores[best] / sum(scores.values())


def _answer(db: Connection, found: Sequence[dict[str, Any]], schema: Schema) -> None:
    """Turn what is open into relations where a phrase is like the description of one."""
    asked = schema.relation_types or {}
    questions = [(its, question) for its in found for question in its.get("open", ())]
    if not questions:
        return
    names = list(asked)
    row = {name: number for number, name in enumerate(names)}
    labels = [(name.replace("_", " ").replace("-", " "), asked[name].description) for name in names]
    phrases = [question[2] for _, question in questions]
    model = models.find(db, None, "embedding")
    for (its, question), result in zip(questions, model.run("likeness", phrases, labels=labels), strict=True):
        alike = json.loads(result)
        one, other, _, start, end, score, able = question
        name, turned = max(able, key=lambda each: alike[row[each[0]]])
        likeness = alike[row[name]]
        if likeness >= _ALIKE:
            ends = (other, one) if turned else (one, other)
            its["relations"].append([ends[0], name, ends[1], start, end, score * likeness])


def _type(db: Connection, texts: Sequence[str], found: Sequence[dict[str, Any]], schema: Schema) -> None:
    """Give a type to entities that only a relation has named."""
    untyped = [
        (text, entity)
        for text, its in zip(texts, found, strict=True)
        for entity in its["entities"]
        if entity[0] is None
    ]
    if schema.entity_types is None:
        for _, entity in untyped:
            entity[0] = _UNTYPED
        return
    for (_, entity), (kind, share) in zip(
        untyped, _chosen(db, [(text, tuple(entity)) for text, entity in untyped], schema.entity_types, {}), strict=True
    ):
        entity[0], entity[3] = None if kind == _OTHER else kind, entity[3] * share


def _extracted(text: str, its: dict[str, Any], schema: Schema) -> Extracted:
    """The entities that can be kept, and the relations between those."""
    types = None if schema.entity_types is None else {name for name, _ in schema.entity_types}
    kept: dict[int, int] = {}
    found: list[Entity] = []
    for number, (kind, start, end, score) in enumerate(its["entities"]):
        name = " ".join(text[start:end].split())
        if name and kind and len(name) <= _LONGEST_NAME and (types is None or kind in types):
            kept[number] = len(found)
            found.append(Entity(name, kind, start, end, score))
    relations = [
        Relation(kept[subject], predicate, kept[target], start, end, round(score, 4))
        for subject, predicate, target, start, end, score in its["relations"]
        if subject in kept and target in kept and kept[subject] != kept[target]
    ]
    return Extracted(found, sorted(relations, key=lambda each: (each.start, each.end, each.subject, each.object)))
