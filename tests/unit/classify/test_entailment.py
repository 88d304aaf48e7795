"""Zero-shot classification by inference, on an engine that entails whatever names a word of the text."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from pg_llm import tasks
from pg_llm.classify.host import classification
from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Window

WINDOW = 4
# Contradiction, neutral, entailment.
YES, NO = [0.0, 0.0, 3.0], [2.0, 0.0, 0.0]


class Inference:
    """Reads a text in windows of four words; entailed is what names one of them."""

    task = "classification"
    engine = device = "fake"
    bytes = 0
    batch_tokens = 100

    def __init__(self) -> None:
        self.details = {"entailment": [2, 0]}
        self.hypotheses: set[str] = set()

    def encode(self, texts: Sequence[tuple[str, str]], overlap: int = 0) -> list[list[Window]]:
        found = []
        for text, hypothesis in texts:
            self.hypotheses.add(hypothesis)
            words = text.split() or [""]
            parts = [words[start : start + WINDOW] for start in range(0, len(words), WINDOW)]
            found.append([Window((part, hypothesis), len(part)) for part in parts])
        return found

    def forward(self, batch: Sequence[Window]) -> np.ndarray:
        return np.asarray(
            [YES if set(words) & set(said.strip(".").split()) else NO for words, said in map(_tokens, batch)]
        )


def _tokens(item: Window) -> tuple[list[str], str]:
    return item.tokens


def ask(model: Inference, text: str, many: bool, variant: int = 0) -> dict[str, float]:
    labels = [["sport", None], ["food", "cooking and bread"]]
    options = {"labels": labels, "many": many, "examples": [], "variant": variant}
    works = classification.prepare(model, [text], options)
    return json.loads(next(tasks.finish(works, model.forward(tasks.windows(works)))))


def test_one_label_is_the_softmax_of_the_entailments() -> None:
    scores = ask(Inference(), "bread and jam", many=False)
    assert scores == pytest.approx({"sport": 1 / (1 + np.exp(3)), "food": 1 / (1 + np.exp(-3))}, abs=1e-5)


def test_many_labels_are_entailment_against_contradiction_each() -> None:
    scores = ask(Inference(), "sport with bread", many=True)
    assert scores == pytest.approx(dict.fromkeys(("sport", "food"), 1 / (1 + np.exp(-3))), abs=1e-5)
    assert ask(Inference(), "nothing", many=True)["sport"] == pytest.approx(1 / (1 + np.exp(2)), abs=1e-5)


@pytest.mark.parametrize("place", [0, 5, 17])
def test_of_a_long_text_the_window_that_speaks_most_for_a_label_counts(place: int) -> None:
    words = ["word"] * 18
    words[place] = "bread"
    scores = ask(Inference(), " ".join(words), many=True)
    assert scores["food"] > 0.9
    assert scores["sport"] < 0.2


def test_a_vote_words_the_hypothesis_anew_and_a_description_stands_for_its_label() -> None:
    model = Inference()
    for variant in range(3):
        ask(model, "bread", many=True, variant=variant)
    assert len(model.hypotheses) == 6
    assert sum("cooking and bread" in hypothesis for hypothesis in model.hypotheses) == 3


def test_it_takes_no_examples() -> None:
    options = {"labels": [["a", None]], "many": False, "examples": [["x", ["a"]]], "variant": 0}
    with pytest.raises(InvalidInput, match="takes no examples"):
        classification.prepare(Inference(), ["x"], options)
