"""Relevance by each kind of model that can tell it, on engines that need no files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from echo import EchoEngine, EchoHost, registered, run, vector
from fake_connection import FakeConnection
from pg_llm.errors import InvalidInput
from pg_llm.functions import ranking as faces
from pg_llm.models.engine import Window
from pg_llm.search.host import ranking


class CrossEncoder(EchoEngine):
    """The logit of a window is the number of words that it shares with the query, less one."""

    def __init__(self) -> None:
        super().__init__("ranking", forward=self._logit)

    def encode(self, texts: Any, overlap: int = 0) -> list[list[Window]]:
        windows = []
        for query, text in texts:
            words = text.split() or [""]
            parts = [" ".join(words[start : start + 4]) for start in range(0, len(words), 4)]
            windows.append([Window(f"{query}\n{part}", 4) for part in parts])
        return windows

    @staticmethod
    def _logit(pair: str) -> Any:
        query, text = pair.split("\n")
        return np.asarray([len(set(query.split()) & set(text.split())) - 1.0])


class Judge(EchoEngine):
    """A language model that finds a text likely to answer if it holds `yes`."""

    def __init__(self) -> None:
        super().__init__("generation", forward=lambda text: np.asarray([-1.0, -3.0] if "yes" in text else [-4.0, -2.0]))

    def question(self, messages: Any, answers: Any) -> Window:
        assert list(answers) == ["Yes", "No"]
        return Window(messages[0]["content"], 5)


def scores(model: Any, query: str, *texts: str) -> list[float]:
    return [float(score) for score in run(ranking.prepare(model, texts, {"query": query}), model)]


def sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def test_a_cross_encoder_reads_query_and_text_together() -> None:
    found = scores(CrossEncoder(), "red rose", "a red rose", "a rose", "a tree", "")
    assert found == pytest.approx([sigmoid(1), sigmoid(0), sigmoid(-1), sigmoid(-1)])


@pytest.mark.parametrize("place", [0, 9, 30])
def test_of_a_long_text_the_most_relevant_window_counts(place: int) -> None:
    words = ["word"] * 31
    words[place] = "rose"
    assert scores(CrossEncoder(), "rose", " ".join(words)) == pytest.approx([sigmoid(0)])
    assert scores(CrossEncoder(), "rose", "word " * 10_000 + "rose") == pytest.approx([sigmoid(0)])


def test_a_language_model_is_asked_yes_or_no() -> None:
    model = Judge()
    assert scores(model, "q", "yes it is", "it is not") == pytest.approx([sigmoid(2), sigmoid(-2)])
    assert model.read[0].startswith("Text: yes it is\nQuery: q\n")


def test_of_a_text_that_no_prompt_holds_the_most_relevant_part_counts() -> None:
    model = Judge()
    model.truncate = lambda text: text[:40]  # type: ignore[method-assign]
    assert scores(model, "q", "no. " * 50 + "yes. " + "no. " * 50) == pytest.approx([sigmoid(2)])
    assert len(model.read) > 10
    assert all(len(text) < 200 for text in model.read)


def test_an_embedding_model_compares_vectors_with_its_prompts() -> None:
    model = EchoEngine()
    expected = np.dot(vector("red rose"), vector("a red rose"))
    assert scores(model, "red rose", "a red rose") == pytest.approx([expected], abs=1e-5)
    model = EchoEngine()
    model.prompts = {"query": "query: ", "document": "passage: "}
    scores(model, "red rose", "tree")
    assert model.read == ["query: red rose", "passage: tree"]


def test_nulls_keep_their_place(db: FakeConnection, host: EchoHost) -> None:
    db.answer("LEFT JOIN llm.model AS m", [registered(task="ranking")])
    host.answers["ranking"] = lambda inputs, options: [str(len(text) / 10) for text in inputs]
    ranked = faces.llm_rank.__wrapped__(db, "q", [None, "abc", None, "a"], None)
    assert ranked == [(1, None), (2, 0.3), (3, None), (4, 0.1)]
    assert host.requests[0].options == {"query": "q"}
    assert faces.llm_rank.__wrapped__(db, None, ["a", None], None) == [(1, None), (2, None)]
    assert faces.llm_rank.__wrapped__(db, "q", None, None) == []


def test_a_model_that_cannot_rank(db: FakeConnection, host: EchoHost) -> None:
    db.answer("LEFT JOIN llm.model AS m", [registered(task="entities")])
    with pytest.raises(InvalidInput, match="does entities, and ranking or generation or embedding is needed"):
        faces.llm_rank.__wrapped__(db, "q", ["a"], "echo")
