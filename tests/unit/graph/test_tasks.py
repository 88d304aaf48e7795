"""Tasks of the model host: classified pairs, written relations, ranked entities, mined rules, measured text."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from echo import EchoEngine, run
from pg_llm.errors import InvalidInput
from pg_llm.graph.host import link_prediction, llm_relations, relations, rule_mining, text_metrics
from pg_llm.graph.host.curves import arrow_head, path_data, point_at
from pg_llm.graph.host.label_placement import LabelPlacement
from pg_llm.models.engine import Window

TEXT = "Ann heads Acme. Bob left Bolt."
ENTITIES = [["PERSON", 0, 3, 0.9], ["ORG", 10, 14, 0.9], ["PERSON", 16, 19, 0.9], ["ORG", 25, 29, 0.9]]


def classified(requested: Any, **details: Any) -> list[tuple[str, str, str]]:
    """The relations of TEXT by a classifier that sees "head" in every pair of a person and an organization."""

    def judge(text: str) -> list[float]:
        return [4.0, 0.0] if text.startswith(("PERSON", "subject PERSON")) else [0.0, 3.0]

    model: Any = EchoEngine("classification", {"labels": ["head", "none"], **details}, judge)
    item = json.dumps({"text": TEXT, "entities": ENTITIES})
    works = relations.prepare(model, [item], {"relations": requested, "types": None, "known": []})
    result = json.loads(run(works, model)[0])
    places = [TEXT[start:end] for _, start, end, _ in result["entities"]]
    return [(places[subject], name, places[object_]) for subject, name, object_, *_ in result["relations"]]


def test_pairs_of_a_sentence_are_classified_in_both_directions() -> None:
    assert classified(None) == [("Ann", "head", "Acme"), ("Bob", "head", "Bolt")]
    assert classified(None, words=True) == [("Ann", "head", "Acme"), ("Bob", "head", "Bolt")]


def test_types_of_the_training_data_and_of_the_request_limit_relations() -> None:
    either = {"subject": [], "object": []}
    assert classified({"head": either}) == [("Ann", "head", "Acme"), ("Bob", "head", "Bolt")]
    assert classified({"other": either}) == []
    assert classified({"head": {"subject": ["ORG"], "object": []}}) == []
    assert classified(None, ends={"head": [["PERSON", "GPE"]]}) == []


def test_a_classifier_of_something_else_is_refused() -> None:
    model: Any = EchoEngine("classification", {"labels": ["good", "bad"]})
    item = json.dumps({"text": TEXT, "entities": ENTITIES})
    with pytest.raises(InvalidInput, match="tells no relations"):
        relations.prepare(model, [item], {"relations": None, "types": None, "known": []})


def written(answer: str, options: dict[str, Any], text: str = "Aspirin treats headache.") -> tuple[Any, Any]:
    """What is made of a generative model's answer, and the options that the model was given."""
    asked: list[Any] = []

    class Writer(EchoEngine):
        def prompt(self, messages: Sequence[dict[str, str]], sampling: Any) -> Window:
            asked.append((messages, sampling))
            return super().prompt(messages, sampling)

    model: Any = Writer("generation", forward=lambda text: answer)
    work = llm_relations.work(model, text, options)
    return json.loads(run([work], model)[0]), asked[0]


def test_a_generative_model_names_what_stands_in_the_text() -> None:
    answer = {
        "relations": [
            {"subject": "Aspirin", "subject_type": "Thing", "predicate": "treats", "object": "headache"},
            {"subject": "Ibuprofen", "predicate": "treats", "object": "headache"},
            {"subject": "", "predicate": "treats", "object": "headache"},
        ]
    }
    treats = {"subject": ["Drug"], "object": ["Disease"], "words": [], "description": None}
    options = {"relations": {"treats": treats}, "types": [["Drug", None], ["Disease", None]], "known": []}
    result, (messages, sampling) = written(json.dumps(answer), options)
    assert result["entities"] == [["Drug", 0, 7, 0.5], ["Disease", 15, 23, 0.5]]
    assert result["relations"] == [[0, "treats", 1, 0, 23, 0.5]]
    assert "treats: treats (from Drug) (to Disease)" in "".join(message["content"] for message in messages)
    item = sampling.schema["properties"]["relations"]["anyOf"][0]
    # One for every twenty characters.
    assert item["maxItems"] == 2
    assert item["items"]["properties"]["predicate"] == {"enum": ["treats"]}
    assert item["items"]["properties"]["object_type"] == {"enum": ["Drug", "Disease"]}


def test_without_a_schema_any_relation_is_written() -> None:
    answer = json.dumps({"relations": [{"subject": "headache", "predicate": "treats", "object": "Aspirin"}]})
    result, (_, sampling) = written(answer, {"relations": None, "types": None, "known": []})
    assert [relation[1] for relation in result["relations"]] == ["treats"]
    assert [entity[0] for entity in result["entities"]] == [None, None]
    assert "enum" not in json.dumps(sampling.schema)


class Ranker:
    """A knowledge graph embedding of three entities."""

    ids = np.asarray([5, 6, 7])

    def encode(self, texts: Sequence[str]) -> list[list[Window]]:
        return [[] if "unknown" in text else [Window(text, 1)] for text in texts]

    def forward(self, windows: Sequence[Window]) -> list[Any]:
        return [np.asarray([0.5, 0.0, 0.25]) for _ in windows]


@pytest.mark.parametrize(
    ("question", "k", "expected"),
    [
        ([5, "p", 0, []], 9, [[5, 0.5], [7, 0.25]]),
        ([5, "p", 0, []], 1, [[5, 0.5]]),
        ([5, "p", 0, [5]], 9, [[7, 0.25]]),
        ([5, "unknown", 0, []], 9, None),
    ],
)
def test_entities_are_ranked_by_probability(question: list[Any], k: int, expected: Any) -> None:
    model: Any = Ranker()
    works = link_prediction.prepare(model, [json.dumps(question)], {"k": k})
    assert json.loads(run(works, model)[0]) == expected


def mined(triples: list[list[int]], support: int, confidence: float) -> list[Any]:
    works = rule_mining.prepare(None, [json.dumps(triples)], {"min_support": support, "min_confidence": confidence})
    result = json.loads(run(works, None)[0])
    assert result["passed_over"] == 0
    return result["rules"]


def counted(triples: list[list[int]], body: list[int], head: int) -> tuple[int, int, int]:
    """Support, pairs of the body, and those whose x has an object under the head, by going through all pairs."""
    facts = {tuple(triple) for triple in triples if triple[0] != triple[2]}
    steps = [{(o, s) if step % 2 else (s, o) for s, p, o in facts if p == step // 2} for step in body]
    pairs = steps[0] if len(steps) == 1 else {(x, y) for x, z in steps[0] for w, y in steps[1] if z == w}
    pairs = {(x, y) for x, y in pairs if x != y}
    support = sum((x, head, y) in facts for x, y in pairs)
    return support, len(pairs), sum(any(s == x and p == head for s, p, _ in facts) for x, _ in pairs)


def test_rules_have_the_counts_of_an_exhaustive_search() -> None:
    chance = random.Random(1)
    triples = [list(t) for t in {(chance.randrange(9), chance.randrange(3), chance.randrange(9)) for _ in range(80)}]
    rules = mined(triples, 2, 0.2)
    assert len(rules) > 10
    for body, head, *counts in rules:
        assert tuple(counts) == counted(triples, body, head)
        assert counts[0] >= 2
        assert counts[0] >= 0.2 * counts[1]
        assert body != [2 * head]
    found = {(tuple(body), head) for body, head, *_ in rules}
    for first in range(6):
        for body in ([first], *([first, second] for second in range(6))):
            for head in range(3):
                support, pairs, _ = counted(triples, body, head)
                if support >= 2 and support >= 0.2 * pairs and body != [2 * head]:
                    assert (tuple(body), head) in found


def test_a_graph_without_relations_has_no_rules() -> None:
    assert mined([], 1, 0.1) == []
    assert mined([[0, 0, 0]], 1, 0.1) == []


def test_text_is_measured_truncated_and_broken() -> None:
    assert text_metrics.width_of("il", 10) < text_metrics.width_of("MW", 10) < text_metrics.width_of("王王", 10)
    assert text_metrics.width_of("e\u0301", 10) == text_metrics.width_of("e", 10)
    assert text_metrics.truncate("short", 20) == "short"
    assert text_metrics.truncate("a rather long text", 5).endswith("…")
    assert list(text_metrics.two_lines("Bank of Norway", 30)) == ["Bank of Norway"]
    assert list(text_metrics.two_lines("University of Southern California", 20)) == [
        "University of",
        "Southern California",
    ]
    assert "".join(text_metrics.two_lines("王小明在北京大学工作", 12)) == "王小明在北京大学工作"
    assert list(text_metrics.two_lines(" ", 6)) == [" "]


def test_a_path_ends_inside_its_arrow_head() -> None:
    line = [(0.0, 0.0), (50.0, 0.0), (100.0, 0.0)]
    assert point_at(line, 0.5) == (50.0, 0.0)
    assert path_data(line) == "M0.0 0.0 Q50.0 0.0 93.7 0.0"
    assert path_data([*line, (100.0, 0.0)]).count("C") == 1
    assert 'points="100.0,0.0 ' in arrow_head(line)


def test_labels_go_where_there_is_room() -> None:
    placement = LabelPlacement(10.0)
    placement.occupy([(0.0, 0.0, 20.0)])
    candidates = [((0.0, 0.0), 0.0), ((100.0, 0.0), 0.0)]
    assert placement.place(candidates, 30.0) == candidates[1]
    # That place is taken now, and more of it than of the other.
    assert placement.place([candidates[1], ((60.0, 40.0), 0.0)], 30.0) == ((60.0, 40.0), 0.0)
