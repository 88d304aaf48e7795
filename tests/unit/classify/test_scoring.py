"""Classification in a backend: what the model is asked, and how its scores become labels, tags and votes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.classify import scoring
from pg_llm.classify.scoring import Candidates
from pg_llm.errors import InvalidInput
from pg_llm.functions import classification as face

LABELS = [("praise", None), ("complaint", "the customer is unhappy")]
MODEL = "LEFT JOIN llm.model AS m"


@pytest.fixture
def model(db: FakeConnection, host: EchoHost) -> None:
    """A zero-shot model whose score of a label is how often its name's first letter stands in the text."""
    db.answer(MODEL, [registered("judge", "embedding")])
    host.answers["classification"] = count_letters


def count_letters(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
    wording = options["variant"]
    return [
        json.dumps({name: (text.count(name[0]) + wording) / 10 for name, _ in options["labels"]}) for text in inputs
    ]


@pytest.mark.usefixtures("model")
def test_the_best_label_is_given_and_null_stays_null(db: FakeConnection, host: EchoHost) -> None:
    candidates = Candidates(LABELS, [("bad", ["complaint"])])
    found = scoring.classify(db, ["ppp c", None, "ccc"], candidates, "judge", allow_none=False)
    assert [(position, choice.label) for position, choice in found] == [(1, "praise"), (2, None), (3, "complaint")]
    assert found[0][1] == ("praise", 0.3, pytest.approx(0.2))
    assert found[1][1] == (None, None, None)
    (request,) = host.requests
    assert (request.task, request.model, request.inputs) == ("classification", "judge", ["ppp c", "ccc"])
    assert request.options == {"labels": LABELS, "examples": [("bad", ["complaint"])], "many": False, "variant": 0}


def test_a_model_without_labels_must_be_given_some(db: FakeConnection, host: EchoHost) -> None:
    db.answer(MODEL, [registered("judge", "embedding")])
    with pytest.raises(InvalidInput, match='model "judge" has no labels of its own'):
        scoring.classify(db, ["text"], Candidates(None), None, allow_none=False)
    db.answer(MODEL, [registered("trained", "classification", labels=["a", "b"])])
    host.answers["classification"] = lambda inputs, options: ['{"a": 0.2, "b": 0.8}'] * len(inputs)
    (found,) = scoring.classify(db, ["text"], Candidates(None), None, allow_none=False)
    assert found == (1, ("b", 0.8, pytest.approx(0.6)))


def test_a_model_of_another_kind_is_refused(db: FakeConnection, host: EchoHost) -> None:
    db.answer(MODEL, [registered("names", "entities")])
    with pytest.raises(InvalidInput, match="does entities, and classification or embedding or generation is needed"):
        scoring.classify(db, ["text"], Candidates(LABELS), "names", allow_none=False)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("blank", ["", "   ", "\t\n\u3000", "\x01\x1b\u200b\ufeff"])
def test_a_blank_text_has_no_label_and_asks_no_model(db: FakeConnection, host: EchoHost, blank: str) -> None:
    candidates = Candidates(LABELS)
    assert scoring.classify(db, [blank], candidates, None, allow_none=False) == [(1, (None, None, None))]
    assert scoring.tag(db, [blank, None], candidates, None, 0.0, 3) == [(1, []), (2, None)]
    assert scoring.tag_scores(db, [blank, None], candidates, None) == [(1, {}), (2, None)]
    assert scoring.count_votes(db, blank, candidates, [None, None], 0.0, 1) == []
    assert host.requests == []
    assert not any(map(scoring.is_blank, ("...", "🧪", "ｘ", "\ufffd", " a ")))


def test_none_of_the_labels_is_given_where_that_is_likeliest(db: FakeConnection, host: EchoHost) -> None:
    db.answer(MODEL, [registered("judge", "generation")])
    rows = ['{"praise": 0.1, "complaint": 0.3, "": 0.6}', '{"praise": 0.35, "complaint": 0.2, "": 0.45}']
    host.answers["classification"] = lambda inputs, options: rows
    candidates = Candidates(LABELS, instruction="Judge the tone only.")
    found = scoring.classify(db, ["a", "b"], candidates, None, allow_none=True)
    assert found == [
        (1, (None, 0.6, pytest.approx(0.3))),
        (2, ("praise", 0.35, pytest.approx(-0.1))),
    ]
    options = host.requests[0].options
    assert (options["allow_none"], options["instruction"]) == (True, "Judge the tone only.")


@pytest.mark.usefixtures("model")
def test_allow_none_is_true_or_false(db: FakeConnection) -> None:
    with pytest.raises(InvalidInput, match="allow_none must not be NULL"):
        face.llm_classify.__wrapped__(db, "p", ["praise"], None, None, None, None)
    with pytest.raises(InvalidInput, match="at most 20000"):
        face.llm_classify.__wrapped__(db, "p", ["praise"], None, None, "x" * 20001, False)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("text", "votes", "tags"),
    [("pppp", 1, []), ("ppppp", 1, ["praise"]), ("pppp", 3, ["praise"]), ("ppppp ccccccc", 1, ["complaint", "praise"])],
)
def test_tags_are_those_that_most_votes_give(db: FakeConnection, text: str, votes: int, tags: list[str]) -> None:
    # The scores of vote 2 and 3 are 0.1 and 0.2 higher: 0.4 has two of three votes for 0.5.
    assert scoring.tag(db, [text, None], Candidates(LABELS), None, 0.5, votes) == [(1, tags), (2, None)]


def test_a_tie_is_no_majority() -> None:
    assert scoring.majority_labels([{"a": 0.9}, {"a": 0.1}], 0.5) == []
    assert scoring.majority_labels([{"a": 0.9, "b": 0.6}, {"a": 0.6, "b": 0.95}], 0.5) == ["b", "a"]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("votes", [None, 0, -1, 10])
def test_votes_have_a_range(db: FakeConnection, votes: int | None) -> None:
    with pytest.raises(InvalidInput, match="votes must lie between 1 and 9"):
        scoring.tag(db, ["text"], Candidates(LABELS), None, 0.5, votes)


def test_a_trained_model_has_one_vote(db: FakeConnection, host: EchoHost) -> None:
    db.answer(MODEL, [registered("trained", "classification", labels=["a"])])
    host.answers["classification"] = lambda inputs, options: ['{"a": 0.7}'] * len(inputs)
    with pytest.raises(InvalidInput, match="always answers alike"):
        scoring.tag(db, ["text"], Candidates(None), None, 0.5, 3)
    rows = scoring.count_votes(db, "text", Candidates(None), ["one", "other"], 0.5, 3)
    assert rows == [{"label": "a", "votes": 2, "voters": 2, "score": 0.7, "agreement": 1.0}]


def test_models_with_other_labels_vote_on_those(db: FakeConnection, host: EchoHost) -> None:
    own = {"one": '{"a": 0.9, "b": 0.2}', "other": '{"a": 0.4}'}
    db.answer(MODEL, lambda call: [registered(call.values[0], "classification", labels=["a"])])
    host.answers["classification"] = lambda inputs, options: [own[host.requests[-1].model or ""]]
    rows = scoring.count_votes(db, "text", Candidates(None), ["one", "other"], 0.5, 1)
    assert [(row["label"], row["votes"], row["voters"], row["agreement"]) for row in rows] == [
        ("a", 1, 2, 0.5),
        ("b", 0, 1, 1.0),
    ]
    assert rows[0]["score"] == pytest.approx(0.65)
    assert scoring.count_votes(db, None, Candidates(None), ["one"], 0.5, 1) == []


@pytest.mark.usefixtures("model")
def test_the_faces_check_and_unpack(db: FakeConnection, host: EchoHost) -> None:
    labels = ["praise", "complaint: the customer is unhappy"]
    assert face.llm_classify.__wrapped__(db, "ccc", labels, None, None, None, False) == "complaint"
    assert face.llm_classify.__wrapped__(db, None, labels, None, None, None, False) is None
    assert face.llm_classify_batch.__wrapped__(db, ["c", None], labels, None, None, None, False) == [
        (1, "complaint"),
        (2, None),
    ]
    assert face.llm_tag.__wrapped__(db, "ppppp", labels, None, None, None, 1, None) == ["praise"]
    assert face.llm_tag_batch.__wrapped__(db, ["ppp"], labels, None, 0.3, None, 1, None) == [(1, ["praise"])]
    assert face.llm_tag_scores.__wrapped__(db, "p", labels, None, None, None) == {"praise": 0.1, "complaint": 0.0}
    assert face.llm_tag_scores_batch.__wrapped__(db, [None], labels, None, None, None) == [(1, None)]
    votes = face.llm_tag_votes.__wrapped__(db, "ppppp", labels, None, None, [{"text": "x", "label": "praise"}], 3, None)
    assert [(row["label"], row["votes"], row["voters"]) for row in votes] == [("praise", 3, 3), ("complaint", 0, 3)]
    assert host.requests[-1].options["examples"] == [("x", ["praise"])]
    scored = face.llm_classify_scored.__wrapped__
    assert scored(db, "ccp", labels, None, None, None, False) == [("complaint", 0.2, 0.1)]
    assert scored(db, None, labels, None, None, None, False) == [(None, None, None)]
    batch = face.llm_classify_scored_batch.__wrapped__(db, ["ccp", ""], labels, None, None, " ", False)
    assert batch == [(1, "complaint", 0.2, 0.1), (2, None, None, None)]
    with pytest.raises(InvalidInput, match="threshold"):
        face.llm_tag.__wrapped__(db, "p", labels, None, 1.5, None, 1, None)
    with pytest.raises(InvalidInput, match="not among labels"):
        face.llm_classify.__wrapped__(db, "p", labels, None, [{"text": "x", "label": "other"}], None, False)
