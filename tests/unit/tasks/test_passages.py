"""Long texts in passages: nothing is lost, nothing is too long, and what is read is the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm import tasks
from pg_llm.classify.host import classification, entities
from pg_llm.models.engine import Window
from pg_llm.search.host import embedding
from pg_llm.tasks import passages

LONGEST = passages.MAX_LENGTH


@given(st.text(alphabet="ab. \n。", max_size=300), st.integers(20, 60))
def test_passages_are_the_text(text: str, longest: int) -> None:
    places = list(passages.ranges(text, longest))
    assert "".join(text[start:end] for start, end in places) == text
    assert all(0 < end - start <= longest for start, end in places) or places == [(0, 0)]


@pytest.mark.parametrize("end", ["sentence. ", "line\n", "句子。"])
def test_a_passage_ends_with_a_sentence(end: str) -> None:
    text = end * (3 * LONGEST // len(end))
    assert all(text[:stop].endswith(end) for _, stop in passages.ranges(text))
    assert len(list(passages.ranges("x" * 3 * LONGEST))) == 3


class Names:
    """Finds each word with a capital; keeps how long the texts were that it was given."""

    task = "entities"
    engine = device = "fake"
    bytes = 0
    batch_tokens = 1000

    def __init__(self, details: dict[str, Any]) -> None:
        self.details = details
        self.longest = 0

    def encode(self, texts: Sequence[str], overlap: int = 0) -> list[list[Window]]:
        self.longest = max(self.longest, *map(len, texts))
        return [
            [Window((text[start : start + 1000], start), 1) for start in range(0, max(len(text), 1), 1000)]
            for text in texts
        ]

    def forward(self, batch: Sequence[Window]) -> list[Any]:
        if self.task == "embedding":
            return [np.asarray([1.0, float("b" in item.tokens[0])], dtype=np.float32) for item in batch]
        return [
            [("NAME", start + place, start + place + 1, 1.0) for place, each in enumerate(text) if each.isupper()]
            for text, start in (item.tokens for item in batch)
        ]


def result(works: list[tasks.WorkItem], model: Names) -> str:
    (work,) = works
    steps = 0
    while True:
        found = work.finish(model.forward(work.windows))
        steps += 1
        assert len(work.windows) <= LONGEST // 1000
        if isinstance(found, str):
            return found
        work = found


def test_places_are_those_of_the_whole_text() -> None:
    text = ("a" * 49 + "B" + "c " * 25) * 1000
    model = Names({"labels": ["NAME"]})
    found = json.loads(result(entities.prepare(model, [text], {"labels": None}), model))
    assert [[label, start, end] for label, start, end, _ in found] == [
        ["NAME", place, place + 1] for place, each in enumerate(text) if each == "B"
    ]
    assert model.longest <= LONGEST


def test_of_a_text_that_is_embedded_no_more_than_its_beginning_is_read() -> None:
    model = Names({})
    model.task, model.prompts = "embedding", {}  # type: ignore[attr-defined]
    works = embedding.prepare(model, ["a" * 5_000_000, "b"], {})
    assert [json.loads(next(tasks.finish([work], model.forward(work.windows)))) for work in works] == [[1, 0], [1, 1]]
    assert model.longest == LONGEST


def test_space_before_a_text_is_read_over() -> None:
    class Words(Names):
        def encode(self, texts: Sequence[str], overlap: int = 0) -> list[list[Window]]:
            return super().encode([text.strip() for text in texts], overlap)

    model = Words({})
    (window,) = passages.first_windows(model, [" " * 50_000 + "text"])
    assert window.tokens[0] == "text"


def test_all_passages_of_a_text_count_for_its_class() -> None:
    model = Names({"labels": ["with", "without"]})
    model.task = "embedding"
    options = {"labels": None, "examples": [], "many": False, "variant": 0}
    model.details["multi_label"] = True

    class Classifier(Names):
        task = "classification"

        def forward(self, batch: Sequence[Window]) -> list[Any]:
            return [np.asarray([float("b" in item.tokens[0]), 0.0]) for item in batch]

    judge = Classifier(model.details)
    half = result(classification.prepare(judge, ["a" * 50_000 + "b" * 50_000], options), judge)
    assert json.loads(half)["with"] == pytest.approx(1 / (1 + np.exp(-0.5)), abs=1e-5)


@given(st.lists(st.integers(0, 60_000), max_size=40), st.integers(1, 20))
def test_portions_hold_every_text_once_and_are_bounded(sizes: list[int], weight: int) -> None:
    texts = ["x" * size for size in sizes]
    portions = list(tasks.portions(texts, weight))
    assert [text for portion in portions for text in portion] == texts
    for portion in portions:
        read = sum(min(len(text), LONGEST) * weight for text in portion)
        assert len(portion) == 1 or read <= tasks._PORTION
