"""Classification by a model that chooses answers; one that prefers some whatever it is asked is calibrated."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from echo import EchoEngine, run
from pg_llm.classify import abstention
from pg_llm.classify.host import classification
from pg_llm.models.engine import Window

Messages = Sequence[dict[str, str]]


class Chooser(EchoEngine):
    """Finds an answer likely if its first letter stands in the text, and always prefers the first answer."""

    def __init__(self) -> None:
        super().__init__("generation")
        self.asked: list[tuple[Messages, Sequence[str]]] = []

    def truncate(self, text: str) -> str:
        return text[:50]

    def question(self, messages: Messages, answers: Sequence[str]) -> Window:
        self.asked.append((messages, answers))
        return Window((messages[-1]["content"], answers), 1)

    def forward(self, batch: Sequence[Window]) -> list[Any]:
        return [self._scores(*window.tokens) for window in batch]

    @staticmethod
    def _scores(question: str, answers: Sequence[str]) -> Any:
        text = question.partition("\n")[0].removeprefix("Text: ")
        label = question.partition('"')[2][:1]

        def right(answer: str) -> bool:
            if answer in ("Yes", "No"):
                return (label in text) == (answer == "Yes")
            return answer[0] in text

        return np.asarray([2.0 * (number == 0) + 3.0 * right(answer) for number, answer in enumerate(answers)])


class Judge(Chooser):
    """A chooser that also gives likelihoods."""

    def likelihood(self, before: str, continuations: Sequence[str]) -> Window:
        raise NotImplementedError


def classify(model: Chooser, text: str, **options: Any) -> dict[str, float]:
    given = {"labels": [("p", None), ("q", "rare")], "examples": [], "many": False, "variant": 0, **options}
    return dict(json.loads(run(classification.prepare(model, [text], given), model)[0]))


def test_a_preference_without_content_does_not_count() -> None:
    model = Judge()
    assert classify(model, "q") == {"p": pytest.approx(1 / (1 + math.e**3), abs=1e-6), "q": pytest.approx(0.952574)}
    asked = [messages[-1]["content"] for messages, _ in model.asked]
    assert [text.splitlines()[0] for text in asked] == ["Text: N/A", "Text: [MASK]", "Text: ...", "Text: q"]
    assert asked[-1].endswith("What describes the text best? Answer with one of: p, q (rare).")
    # The prior is computed once.
    classify(model, "p")
    assert len(model.asked) == 5


def test_many_labels_are_asked_about_one_by_one() -> None:
    model = Judge()
    found = classify(model, "p", many=True, examples=[("an example", ["q"])])
    assert found["p"] > 0.9
    assert found["q"] == pytest.approx(0.5)
    messages, answers = model.asked[-1]
    assert answers == ["Yes", "No"]
    assert [message["content"] for message in messages] == [
        'Text: an example\nDoes "q (rare)" describe the text?',
        "Yes",
        'Text: p\nDoes "q (rare)" describe the text?',
    ]


def test_a_text_without_content_fits_one_label_of_so_many() -> None:
    names = ["p", "q", "v", "w", "z"]
    for count in (2, 3, 5):
        labels = [(name, None) for name in names[:count]]
        assert classify(Judge(), "?", labels=labels, many=True) == dict.fromkeys(
            names[:count], pytest.approx(1 / count, abs=1e-6)
        )
    assert classify(Judge(), "w", labels=labels, many=True)["w"] > 0.8
    assert classify(Judge(), "?", labels=labels[:1], many=True) == {"p": pytest.approx(0.5)}


def test_variants_turn_the_order_of_the_labels_and_long_lists_are_left_out() -> None:
    model = Judge()
    classify(model, "p", variant=1, examples=[("x", ["q"]), ("y", [])])
    messages, answers = model.asked[-1]
    assert messages[-1]["content"].endswith("Answer with one of: q (rare), p.")
    assert [message["content"] for message in messages[1::2]] == ["q"]
    assert list(answers) == ["p", "q"]
    many: list[tuple[str, str | None]] = [(f"label {number}", None) for number in range(31)]
    classify(model, "p", labels=many)
    assert model.asked[-1][0][-1]["content"] == "Text: p\nWhat describes the text best?"
    classify(model, "p", labels=[*many, ("q", "rare")])
    assert model.asked[-1][0][-1]["content"].endswith("best? Some of the answers are: q (rare).")


def test_an_engine_without_likelihoods_is_asked_about_the_text_alone() -> None:
    model = Chooser()
    assert classify(model, "q") == pytest.approx({"p": 1 / (1 + math.e), "q": 1 / (1 + 1 / math.e)}, abs=1e-6)
    assert len(model.asked) == 1


def test_the_first_text_asks_for_the_prior_of_all() -> None:
    model = Judge()
    given = {"labels": [("p", None), ("q", None)], "examples": [], "many": False, "variant": 0}
    works = list(classification.prepare(model, ["p", "q", "r"], given))
    assert [len(work.windows) for work in works] == [3, 0, 0]
    results: list[Any] = list(works)
    while any(not isinstance(each, str) for each in results):
        results = [
            each if isinstance(each, str) else each.finish(model.forward(each.windows) if each.windows else [])
            for each in results
        ]
    assert len(model.asked) == 6
    # Where the first one fails, another asks.
    model = Judge()
    _, second = classification.prepare(model, ["p", "q"], given)
    assert json.loads(run([second], model)[0])["q"] > 0.9


def test_all_parts_of_a_long_text_count() -> None:
    model = Chooser()
    text = "q " * 24 + "p " * 240
    assert classify(model, text)["p"] > 0.8
    assert all(len(messages[-1]["content"].partition("\n")[0]) <= 56 for messages, _ in model.asked)
    read = "".join(messages[-1]["content"].partition("\n")[0].removeprefix("Text: ") for messages, _ in model.asked)
    assert read == text
    # One part that a label fits is enough for it to apply.
    found = classify(Chooser(), text, many=True)
    assert found["q"] == found["p"] > 0.9


def test_none_of_the_labels_is_an_answer_of_its_own() -> None:
    model = Chooser()
    given = classify(model, "n", allow_none=True, instruction="Mind the tone.")
    assert max(given, key=given.__getitem__) == abstention.NONE
    messages, answers = model.asked[-1]
    assert messages[0] == {"role": "system", "content": "Mind the tone."}
    assert messages[-1]["content"].endswith("Answer with one of: p, q (rare), none of these.")
    assert list(answers) == ["p", "q", "none of these"]
    assert abstention.NONE not in classify(model, "n", allow_none=True, many=True)
    labels = [("none of these", None), ("q", None)]
    assert set(classify(model, "n", allow_none=True, labels=labels)) == {"none of these", "q", abstention.NONE}
    assert len(set(model.asked[-1][1])) == 3
