"""Exact contributions where the models are: they add up to the logit or the cosine that the model gives."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from echo import EchoEngine, run, vector
from pg_llm.explain.host import attribution
from pg_llm.models.engine import TokenStates
from pg_llm.models.head import HeadModel

LINEAR = {"query": None, "label": None, "method": "linear", "spec": {}}


class StaticEcho(EchoEngine):
    """An encoder whose embedding is the mean of its words' vectors at length 1."""

    def forward(self, batch: Any) -> Any:
        return np.asarray([vector(window.tokens) for window in batch])

    def token_states(self, text: str) -> list[TokenStates]:
        states = []
        for window in self.encode([text])[0]:
            spans, start = [], 0
            for word in window.tokens.split():
                start = window.tokens.index(word, start)
                spans.append((start, start + len(word)))
                start += len(word)
            words = [window.tokens[first:last] for first, last in spans]
            # `vector` gives each word length 1, so that their sum is what it makes of all.
            states.append(TokenStates(np.asarray([vector(word) for word in words]), spans))
        return states


def head(encoder: EchoEngine, multi_label: bool = False) -> HeadModel:
    model = HeadModel.__new__(HeadModel)
    model.weights = np.random.default_rng(0).normal(size=(3, 16))
    model.bias = np.asarray([0.3, -0.2, 0.5])
    model.details = {"labels": ["a", "b", "c"], "multi_label": multi_label}
    model.engine, model._base, model._get = "echo", None, lambda spec: encoder
    return model


def explain(model: Any, text: str, **options: Any) -> dict[str, Any]:
    return dict(json.loads(run(attribution.prepare(model, [text], {**LINEAR, **options}), model)[0]))


def test_contributions_to_a_logit_add_up() -> None:
    model = head(StaticEcho())
    found = explain(model, "one two three", label="b")
    (logits,) = model.forward([StaticEcho().encode(["one two three"])[0][0]])
    contrast = (logits - model.bias)[1] - (logits - model.bias).mean()
    assert sum(value for *_, value in found["tokens"]) + found["residual"] == pytest.approx(contrast)
    assert abs(found["residual"]) < 1e-9
    assert [token[:2] for token in found["tokens"]] == [[0, 3], [4, 7], [8, 13]]


def test_a_label_of_several_that_may_apply_is_not_compared_with_the_others() -> None:
    model = head(StaticEcho(), multi_label=True)
    found = explain(model, "one two", label="b")
    (logits,) = model.forward([StaticEcho().encode(["one two"])[0][0]])
    assert sum(value for *_, value in found["tokens"]) == pytest.approx(logits[1] - model.bias[1])


def test_windows_of_a_long_text_are_averaged() -> None:
    encoder = StaticEcho(window=8)
    model = head(encoder)
    text = "one two three four"
    logits = model.forward(encoder.encode([text])[0]).mean(axis=0)
    best = logits.argmax()
    contrast = (logits - model.bias)[best] - (logits - model.bias).mean()
    found = explain(model, text)
    assert sum(value for *_, value in found["tokens"]) + found["residual"] == pytest.approx(contrast)


def test_a_cosine_is_told_by_the_words_that_are_alike() -> None:
    found = explain(StaticEcho(), "ships sail", query="ships")
    values = [value for *_, value in found["tokens"]]
    assert sum(values) == pytest.approx(float(np.dot(vector("ships sail"), vector("ships"))))
    assert values[0] > values[1]


def test_a_model_whose_score_is_not_that_sum_is_not_explained_so() -> None:
    class Other(StaticEcho):
        def token_states(self, text: str) -> list[TokenStates]:
            return [TokenStates(-states.vectors, states.spans) for states in super().token_states(text)]

    assert "not linear" in explain(Other(), "ships sail", query="ships")["reason"]
    assert "not linear" in explain(EchoEngine(), "ships sail", query="ships")["reason"]
    assert "no transformer" in explain(EchoEngine(), "ships", query="ships", method="integrated_gradients")["reason"]
    assert "no transformer" in explain(EchoEngine(), "ships", query="ships", method="auto")["reason"]
