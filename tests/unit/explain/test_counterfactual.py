"""Evidence counterfactuals: few words, no needless one, and none where the label does not turn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.errors import InvalidInput
from pg_llm.functions import explanation as face

WEIGHTS = {"awful": 0.3, "dull": 0.25, "odd": 0.1}


def prepare(db: FakeConnection, host: EchoHost, base: float = 0.2, labels: Any = ("bad", "fine")) -> None:
    db.answer(
        "LEFT JOIN llm.model AS m", lambda call: [registered(call.values[0] or "m", "classification", labels=labels)]
    )

    def classify(texts: Sequence[str], options: Any) -> list[str]:
        bad = [base + sum(weight for word, weight in WEIGHTS.items() if word in text) for text in texts]
        return [json.dumps({"bad": value, "fine": 1 - value}) for value in bad]

    host.answers["classification"] = classify


def turn(db: FakeConnection, text: str | None, labels: list[str] | None = None) -> list[Any]:
    return list(face.llm_counterfactual.__wrapped__(db, text, "m", labels))


def test_the_word_that_turns_the_label(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host)
    (row,) = turn(db, "An awful, dull film")
    assert row == ("awful", 4, 9, "bad", "fine", "An , dull film")


def test_words_that_need_not_be_left_out_are_put_back(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host, base=0.25)
    rows = turn(db, "awful and dull and odd it was, all of it")
    # Without the first two it is .35, without the first alone .6, without the second alone .65.
    assert [row.token for row in rows] == ["awful", "dull"]
    assert {row.after for row in rows} == {"fine"}
    assert rows[0].changed == " and  and odd it was, all of it"


@pytest.mark.parametrize("text", ["one two three four", "awful", None, " "])
def test_a_label_that_stays_has_no_counterfactual(db: FakeConnection, host: EchoHost, text: str | None) -> None:
    prepare(db, host, base=0.6)
    assert turn(db, text) == []


def test_labels_must_be_known(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host, labels=None)
    with pytest.raises(InvalidInput, match="no labels of its own"):
        turn(db, "text")
