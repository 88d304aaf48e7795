"""Extraction in a backend: entities get the types of a schema, open phrases their relations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import Answer, EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.errors import InvalidInput
from pg_llm.graph import entity_typing, extract, schema

TEXT = "Ann heads Acme in Oslo since 2020"
MENTIONS = {"PERSON": [0, 3, 0.9], "ORG": [10, 14, 0.8], "GPE": [18, 22, 0.8], "CARDINAL": [29, 33, 0.9]}
MODELS = {
    "ner": registered("ner", "entities", source="package:ner", labels=list(MENTIONS)),
    "tagger": registered("tagger", "entities", source="hf:tagger", labels=list(MENTIONS)),
    "pairs": registered("pairs", "relations", options='{"entities_model": "ner"}'),
    "writer": registered("writer", "generation"),
    "judge": registered("judge", "classification"),
    "vectors": registered("vectors", "embedding"),
}
DEFAULTS = {"llm.entities_model": "ner", "llm.classification_model": "judge", "llm.embedding_model": "vectors"}


@pytest.fixture
def db(host: EchoHost) -> FakeConnection:
    """Models of each kind: the entity model finds MENTIONS, the others say what `said` has."""
    db = FakeConnection()
    by_digest = {"en-core-web-sm": "ner"}
    db.answer(
        "LEFT JOIN llm.model AS m",
        lambda call: [MODELS[by_digest.get(call.values[0], call.values[0]) or DEFAULTS[call.values[1]]]],
    )
    host.answers["entities"] = lambda inputs, options: [
        json.dumps([[label, *MENTIONS[label]] for label, *_ in options["labels"] if label in MENTIONS]) for _ in inputs
    ]
    host.answers["relations"] = relate
    return db


def relate(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
    """The first entity heads the second."""
    results = []
    for item in map(json.loads, inputs):
        relations = [[0, "heads", 1, 4, 9, 0.5]] if len(item["entities"]) > 1 else []
        results.append(json.dumps({"entities": item["entities"], "relations": relations, "open": []}))
    return results


def found(db: FakeConnection, types: Any = None, relations: Any = None, model: str | None = None) -> extract.Extraction:
    (extraction,) = extract.extract(db, [TEXT], schema.parse(types, relations), model)
    return extraction


def named(extraction: extract.Extraction) -> list[tuple[str, str]]:
    return [(entity.name, entity.type) for entity in extraction.entities]


def first_is(type_: str) -> Answer:
    """A classifier to which the first mention is probably of the type, and no other."""
    return lambda inputs, options: [
        json.dumps({type_: share, "something else": 1 - share}) for share in [0.9, *[0.1] * (len(inputs) - 1)]
    ]


def test_without_a_schema_the_models_labels_are_types(db: FakeConnection, host: EchoHost) -> None:
    extraction = found(db)
    # Numbers are no entities.
    assert named(extraction) == [("Ann", "PERSON"), ("Acme", "ORG"), ("Oslo", "GPE")]
    assert extraction.relations == [extract.Relation(0, "heads", 1, 4, 9, 0.5)]
    assert host.requests[-1].options == {"relations": None, "types": None, "known": ["GPE", "ORG", "PERSON"]}


def test_synonyms_of_labels_are_types(db: FakeConnection, host: EchoHost) -> None:
    assert named(found(db, ["person", "公司"])) == [("Ann", "person"), ("Acme", "公司")]
    assert {label for label, *_ in host.requests[0].options["labels"]} == {"PERSON", "ORG"}
    assert named(found(db, ["CARDINAL"])) == [("2020", "CARDINAL")]


def test_a_label_with_two_types_is_classified(db: FakeConnection, host: EchoHost) -> None:
    def judge(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
        assert [label for label, _ in options["labels"]] == ["city", "country", "something else"]
        return [json.dumps({"city": 0.2, "country": 0.1, "something else": 0.7}) for _ in inputs]

    host.answers["classification"] = judge
    ((name, type_),) = named(found(db, ["city", "country"]))
    # The label is a sign of both types and of nothing else.
    assert (name, type_) == ("Oslo", "city")
    entity = found(db, ["city", "country"]).entities[0]
    assert entity.score == pytest.approx(0.8 * 1.0 / (1.0 + 0.5 + 0.7))


def test_a_type_that_no_label_means_is_classified(db: FakeConnection, host: EchoHost) -> None:
    host.answers["classification"] = first_is("founder")
    assert named(found(db, ["founder"])) == [("Ann", "founder")]


def test_entities_that_a_relation_named_get_a_type(db: FakeConnection, host: EchoHost) -> None:
    host.answers["relations"] = lambda inputs, options: [
        json.dumps({"entities": [[None, 0, 3, 0.5], [None, 10, 14, 0.5]], "relations": [[0, "heads", 1, 0, 14, 0.5]]})
    ]
    assert named(found(db, None, ["heads"])) == [("Ann", entity_typing.UNTYPED), ("Acme", entity_typing.UNTYPED)]
    host.answers["classification"] = first_is("person")
    extraction = found(db, ["person"], ["heads"])
    # What is of none of the types is left out, and the relation with it.
    assert named(extraction) == [("Ann", "person")]
    assert extraction.relations == []


@pytest.mark.parametrize(("cosine", "expected"), [(0.9, [("Acme", "led_by", "Ann")]), (0.3, [])])
def test_an_open_phrase_is_compared_with_descriptions(
    db: FakeConnection, host: EchoHost, cosine: float, expected: Any
) -> None:
    entities = [["person", 0, 3, 0.9], ["company", 10, 14, 0.9]]
    question = [0, 1, "is at the helm of", 0, 14, 0.5, [["owns", False], ["led_by", True]]]
    host.answers["relations"] = lambda inputs, options: [
        json.dumps({"entities": entities, "relations": [], "open": [question]})
    ]
    host.answers["likeness"] = lambda inputs, options: [json.dumps([0.1, cosine])]
    extraction = found(db, ["person", "company"], {"owns": {}, "led_by": {"description": "is led by"}})
    names = [entity.name for entity in extraction.entities]
    assert [(names[each.subject], each.predicate, names[each.object]) for each in extraction.relations] == expected
    (request,) = [request for request in host.requests if request.task == "likeness"]
    assert request.inputs == ["is at the helm of"]
    assert list(map(list, request.options["labels"])) == [["owns", None], ["led by", "is led by"]]


def test_each_kind_of_model_finds_relations(db: FakeConnection, host: EchoHost) -> None:
    assert found(db, model="pairs").relations
    assert [(request.task, request.model) for request in host.requests] == [("entities", "ner"), ("relations", "pairs")]
    host.requests.clear()
    # A tagger finds entities; the default model parses in its place.
    assert found(db, model="tagger").relations
    assert [(request.task, request.model) for request in host.requests] == [
        ("entities", "tagger"),
        ("relations", "ner"),
    ]
    host.requests.clear()
    host.answers["relations"] = lambda inputs, options: ['{"entities": [], "relations": []}']
    assert found(db, model="writer").entities == []
    assert [request.task for request in host.requests] == ["relations"]
    with pytest.raises(InvalidInput, match="entities or relations or generation is needed"):
        found(db, model="vectors")


def test_relations_become_rows_with_positions_from_one(db: FakeConnection) -> None:
    (row,) = extract.triples(db, TEXT, schema.parse(None, None), None)
    assert row == {
        "subject": "Ann",
        "subject_type": "PERSON",
        "predicate": "heads",
        "object": "Acme",
        "object_type": "ORG",
        "confidence": 0.5,
        "start_pos": 5,
        "end_pos": 10,
    }


def test_names_that_are_none_are_left_out(db: FakeConnection, host: EchoHost) -> None:
    entities = [["PERSON", 0, 0, 1.0], ["PERSON", 3, 4, 1.0], ["ORG", 10, 14, 1.0]]
    host.answers["relations"] = lambda inputs, options: [
        json.dumps({"entities": entities, "relations": [[0, "p", 2, 0, 14, 1.0], [2, "p", 2, 0, 14, 1.0]]})
    ]
    extraction = found(db)
    assert named(extraction) == [("Acme", "ORG")]
    assert extraction.relations == []
