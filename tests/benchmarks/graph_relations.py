"""Graphs: relations in real sentences, found by patterns and by a model that has learnt them.

Nothing was chosen on the test sentences.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from pg_llm.graph.host import entity_pairs
from pg_llm.training.metrics import ClassificationMetrics
from relations import Entity, Sentence, sentences
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from workbench.bench import compared

COMMAND = "./run bench graph"
TYPES = [
    "politician",
    "politicalparty: political party",
    "organisation",
    "election",
    "event",
    "country",
    "location: city or region",
    "person",
    "misc: something else",
]
# CrossRE's relations, described in a few words each; nothing else is told to the default extractor.
RELATIONS = {
    "artifact": "a work that somebody made or wrote",
    "cause-effect": "one causes the other",
    "compare": "one is compared with the other",
    "general-affiliation": "belongs to a country, region, people, religion or movement",
    "named": "another name or abbreviation of the same thing",
    "opposite": "opposes, criticises or fights the other",
    "origin": "comes from, was founded by or split off from the other",
    "part-of": "is part, member or section of the other",
    "physical": "is located, held or born at a place",
    "related-to": "is connected with the other in some way",
    "role": "has an office or task in the other, leads, represents or supports it",
    "social": "family or personal acquaintance of the other",
    "temporal": "takes part in or happens at an event or time",
    "topic": "is about the other",
    "type-of": "is a kind of the other",
    "usage": "uses the other",
    "win-defeat": "wins an election or prize, or defeats the other",
}
# Relations between entities that are given, as the marked ones of a sentence; no function of the extension's own.
GIVEN = """
    CREATE FUNCTION pg_temp.related(inputs text[], given jsonb, relation_types jsonb) RETURNS jsonb
    LANGUAGE plpython3u TRANSFORM FOR TYPE jsonb AS $$
    from pg_llm import arguments
    from pg_llm.database import models
    from pg_llm.database.plpy_connection import BACKEND as db
    from pg_llm.graph import extract, schema as graph_schema
    schema = graph_schema.parse(None, relation_types)
    marked = arguments.plain_json(given)
    known = {entity[0] for entities in marked for entity in entities}
    found = extract.extract_relations(db, inputs, marked, schema, models.find(db, None, "entities"), known)
    return [[[its.predicate, *((end.start, end.end) for end in (each.entities[its.subject], each.entities[its.object]))]
             for its in each.relations] for each in found]
    $$
"""


def measured(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    training, test = sentences("train"), sentences("test")
    db.execute("CREATE TABLE sentence (part text, text text, entities jsonb, relations jsonb)")
    for part, given in (("train", training), ("test", test)):
        for each in given:
            db.execute("INSERT INTO sentence VALUES (%s, %s, %s, %s)", (part, each.text, each.labels, each.row))
    db.execute(GIVEN)
    usual, learnt = _usual(training, test), _tfidf(training, test)
    yield from _rows("default", "most frequent relation of the two types", usual, _given(db, test))
    train = "SELECT text, {} FROM sentence WHERE part = 'train'"
    entities = json.dumps({"epochs": 20, "patience": 5})
    db.execute("SELECT llm_fit('names', 'entities', %s, options => %s)", (train.format("entities"), entities))
    options = json.dumps({"entities_model": "names"})
    db.execute("SELECT llm_fit('facts', 'relations', %s, options => %s)", (train.format("relations"), options))
    query = "SELECT text, relations FROM sentence WHERE part = 'test'"
    scores = dict(db.execute("SELECT label, f1 FROM llm_evaluate('facts', %s)", (query,)).fetchall())
    given = {"micro_f1": scores["micro avg"], "macro_f1": scores["macro avg"]}
    yield from _rows("llm_fit, 101 sentences", "TF-IDF + logistic regression, same pairs", learnt, given)
    started = time.monotonic()
    plain = _whole(db, test, TYPES, None)
    rate = len(test) / (time.monotonic() - started)
    trained = _whole(db, test, None, "facts")
    what = "relation F1 on politics test from the text alone, strict spans, micro"
    yield compared(COMMAND, what, "graph_extract, default", plain, trained, "F1", True, 3)
    started = time.monotonic()
    db.execute("SELECT count(*) FROM llm_entities_batch(%s)", ([f"{each.text} " for each in test],))
    alone = len(test) / (time.monotonic() - started)
    yield compared(COMMAND, "sentences a second, graph_extract", "llm_entities alone", alone, rate, "rows/s", True, 1)


def _rows(how: str, peer: str, theirs: dict[str, float], ours: dict[str, float]) -> Iterator[dict[str, Any]]:
    for average in ("micro", "macro"):
        what = f"relation F1 on politics test, entities given, {average}: {how}"
        yield compared(COMMAND, what, peer, theirs[f"{average}_f1"], ours[f"{average}_f1"], "F1", True, 3)


def _given(db: psycopg.Connection, test: Sequence[Sentence]) -> dict[str, float]:
    """The default extractor between the entities that are marked."""
    entities = json.dumps([[[*entity, 1.0] for entity in each.entities] for each in test])
    texts = [each.text for each in test]
    (found,) = db.execute("SELECT pg_temp.related(%s, %s, %s)", (texts, entities, _asked())).fetchone() or ((),)
    return _measured(test, [[(name, *one, *other) for name, one, other in each] for each in found])


def _asked() -> str:
    return json.dumps({name: {"description": description} for name, description in RELATIONS.items()})


def _whole(db: psycopg.Connection, test: Sequence[Sentence], types: list[str] | None, model: str | None) -> float:
    """Micro F1 of what a text alone yields: an end is right if it is the marked one to the character."""
    query = """
        SELECT predicate, subject, subject_type, object, object_type FROM graph_extract(%s, %s, %s, %s)
    """
    measures = ClassificationMetrics()
    for each in test:
        asked = None if model else _asked()
        found = db.execute(query, (each.text, types, asked, model)).fetchall()
        measures.add(
            [
                (name, each.text[one[1] : one[2]], one[0], each.text[other[1] : other[2]], other[0])
                for name, one, other in each.relations
            ],
            found,
        )
    return measures.summary()["micro_f1"]


def _measured(test: Sequence[Sentence], found: Sequence[Sequence[tuple[Any, ...]]]) -> dict[str, float]:
    measures = ClassificationMetrics()
    for each, items in zip(test, found, strict=True):
        measures.add(each.items, items)
    return measures.summary()


def _pairs_of(each: Sentence) -> list[tuple[Entity, Entity]]:
    marked = [(*entity, 1.0) for entity in each.entities]
    return [(one[:3], other[:3]) for one, other in entity_pairs.candidates(each.text, marked)]


def _truths(each: Sentence) -> dict[tuple[Entity, Entity], str]:
    return {(subject, target): name for name, subject, target in sorted(each.relations, reverse=True)}


def _usual(training: Sequence[Sentence], test: Sequence[Sentence]) -> dict[str, float]:
    """Every pair of two types has the relation, or none, that is most frequent between such types."""
    seen: dict[tuple[str, str], Counter[str]] = {}
    for each in training:
        truths = _truths(each)
        for one, other in _pairs_of(each):
            seen.setdefault((one[0], other[0]), Counter())[truths.get((one, other), "none")] += 1
    most = {types: counts.most_common(1)[0][0] for types, counts in seen.items()}
    return _measured(
        test,
        [
            [
                (most[one[0], other[0]], *one[1:], *other[1:])
                for one, other in _pairs_of(each)
                if most.get((one[0], other[0]), "none") != "none"
            ]
            for each in test
        ],
    )


def _tfidf(training: Sequence[Sentence], test: Sequence[Sentence]) -> dict[str, float]:
    """The pairs as the model is shown them."""
    texts, labels = [], []
    for each in training:
        truths = _truths(each)
        for one, other in _pairs_of(each):
            texts.append(entity_pairs.marked_text(each.text, (*one, 1.0), (*other, 1.0)))
            labels.append(truths.get((one, other), "none"))
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(texts)
    model = LogisticRegression(C=10, max_iter=2000).fit(vectors.transform(texts), labels)
    found = []
    for each in test:
        pairs = _pairs_of(each)
        shown_ones = [entity_pairs.marked_text(each.text, (*one, 1.0), (*other, 1.0)) for one, other in pairs]
        said = model.predict(vectors.transform(shown_ones)) if pairs else []
        found.append(
            [(name, *one[1:], *other[1:]) for name, (one, other) in zip(said, pairs, strict=True) if name != "none"]
        )
    return _measured(test, found)
