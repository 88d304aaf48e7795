"""Attribution in a backend: which method a model takes, occlusion, and that everything adds up."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.errors import InvalidInput
from pg_llm.explain import occlusion, words
from pg_llm.functions import explanation as face

# What words count in the probability of "bad".
WEIGHTS = {"awful": 0.5, "dull": 0.25, "good": -0.2}


def model(db: FakeConnection, task: str, labels: list[str] | None = None) -> None:
    db.answer("LEFT JOIN llm.model AS m", lambda call: [registered(call.values[0] or "m", task, labels=labels)])


def classify(texts: Sequence[str], options: Any) -> list[str]:
    bad = [0.2 + sum(weight for word, weight in WEIGHTS.items() if word in text) for text in texts]
    return [json.dumps({"bad": value, "fine": 1 - value}) for value in bad]


def explain(db: FakeConnection, text: str | None, **options: Any) -> list[Any]:
    arguments = {"model": "m", "target": None, "labels": None, "method": "auto", **options}
    return list(face.llm_explain.__wrapped__(db, text, **arguments))


def test_words_are_words_signs_and_ideographs() -> None:
    text = "It's  a well-known 电影 – 100 % né!"
    assert [text[start:end] for start, end in words.spans(text)] == [
        *("It's", "a", "well-known", "电", "影", "–", "100", "%", "né", "!")
    ]


@given(st.text(max_size=60), st.integers(1, 9))
def test_groups_hold_every_word_once_in_order(text: str, most: int) -> None:
    units = words.spans(text)
    groups = words.grouped(units, most)
    assert len(groups) <= most
    assert [unit for unit in units if any(start <= unit[0] and unit[1] <= end for start, end in groups)] == units
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(groups))


def test_occlusion_is_the_fall_of_the_score(db: FakeConnection, host: EchoHost) -> None:
    model(db, "generation")
    host.answers["classification"] = classify
    rows = explain(db, "An awful, dull film", target="bad", labels=["bad", "fine"])
    effects = {row.token: row.attribution for row in rows}
    assert effects["awful"] == pytest.approx(0.5)
    assert effects["dull"] == pytest.approx(0.25)
    assert effects["film"] == 0
    assert (rows[1].start_pos, rows[1].end_pos, rows[1].method) == (4, 9, "occlusion")
    # Score less baseline: .95 - .2.
    assert sum(row.attribution for row in rows) == pytest.approx(0.75)
    assert rows[-1].token is None
    assert rows[-1].start_pos is None


def test_without_a_target_the_answer_itself_is_explained(db: FakeConnection, host: EchoHost) -> None:
    model(db, "generation")
    host.answers["classification"] = classify
    effects = {row.token: row.attribution for row in explain(db, "good", labels=["bad", "fine"])}
    # "fine" is the answer, and of its single word nothing but the baseline is left.
    assert effects["good"] == pytest.approx(0.2)


def test_a_long_text_is_occluded_in_runs_of_words(db: FakeConnection, host: EchoHost) -> None:
    model(db, "generation")
    host.answers["classification"] = classify
    rows = explain(db, "word " * 1000 + "awful", labels=["bad", "fine"], method="occlusion")
    assert len(host.requests[0].inputs) <= occlusion.MOST_UNITS + 2
    assert max(rows, key=lambda row: row.attribution).token.endswith("awful")


def test_a_text_of_which_200_copies_fill_the_memory_is_refused(db: FakeConnection, host: EchoHost) -> None:
    model(db, "generation")
    with pytest.raises(InvalidInput, match="100,000 characters at most"):
        explain(db, "word " * 20_001, labels=["bad", "fine"], method="occlusion")
    assert not host.requests


def test_what_the_models_parts_say_is_summed_to_words(db: FakeConnection, host: EchoHost) -> None:
    model(db, "classification", ["bad", "fine"])
    told = {"method": "linear", "tokens": [[0, 3, 0.5], [3, 5, 0.25], [5, 6, 0.125]], "residual": 0.1}
    host.answers["attribution"] = lambda inputs, options: [json.dumps(told)]
    rows = explain(db, "awful film")
    assert [(row.token, row.attribution) for row in rows] == [("awful", 0.75), ("film", 0), (None, 0.225)]
    assert host.requests[0].options["label"] is None
    assert host.requests[0].options["spec"]["name"] == "m"


def test_a_method_that_does_not_fit_is_refused_and_auto_takes_another(db: FakeConnection, host: EchoHost) -> None:
    model(db, "classification", ["bad", "fine"])
    host.answers["attribution"] = lambda inputs, options: [json.dumps({"reason": "it is no transformer"})]
    host.answers["classification"] = classify
    assert {row.method for row in explain(db, "an awful film")} == {"occlusion"}
    with pytest.raises(InvalidInput, match="it is no transformer"):
        explain(db, "an awful film", method="integrated_gradients")


def test_an_embedding_model_needs_something_to_compare_with(db: FakeConnection, host: EchoHost) -> None:
    model(db, "embedding")
    with pytest.raises(InvalidInput, match="nothing to compare with"):
        explain(db, "text")
    host.answers["attribution"] = lambda inputs, options: [json.dumps({"reason": "its vectors come from elsewhere"})]
    rows = explain(db, "ships and harbours", target="ships")
    assert max(rows, key=lambda row: row.attribution).token == "ships"
    host.answers["classification"] = classify
    assert {row.method for row in explain(db, "awful", labels=["bad", "fine"])} == {"occlusion"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "invalid method"),
        ({"method": None}, "invalid method"),
        ({"target": "none"}, 'no label "none"'),
        ({"labels": []}, "labels must not be empty"),
    ],
)
def test_arguments_are_checked(db: FakeConnection, host: EchoHost, options: dict[str, Any], message: str) -> None:
    model(db, "classification", ["bad", "fine"])
    with pytest.raises(InvalidInput, match=message):
        explain(db, "text", **options)


@pytest.mark.parametrize("text", [None, "", " \n\u200b"])
def test_nothing_explains_nothing(db: FakeConnection, host: EchoHost, text: str | None) -> None:
    model(db, "classification", ["bad", "fine"])
    assert explain(db, text) == []
    assert host.requests == []
