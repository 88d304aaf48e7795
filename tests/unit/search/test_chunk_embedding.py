"""Vectors of sentences that are on another subject than their chunk, with an engine whose tokens are words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from echo import DIMENSIONS, EchoEngine, run, vector
from pg_llm.models.engine import Pooled, Window
from pg_llm.models.token_states import pooled
from pg_llm.search.host import chunk_embedding as task

SAME = "The red kettle boils the water of the red kettle"
OTHER = "Peanuts must never be offered to Marta Solberg"


class WordEngine(EchoEngine):
    """A token for each word and one before and behind; states are the words' vectors, a text's vector is their mean."""

    pools_parts = True

    def encode(self, texts: Sequence[Any], overlap: int = 0) -> list[list[Window]]:
        windows = []
        for text in texts:
            words = list(re.finditer(r"\w+", text))[: self.window]
            windows.append([Window(text, len(words) + 2, [None, *(word.span() for word in words), None])])
        return windows

    def forward(self, batch: Sequence[Window]) -> Any:
        self.read += [window.tokens for window in batch]
        longest = max(window.cost for window in batch)
        states = np.zeros((len(batch), longest, DIMENSIONS), np.float32)
        for row, window in enumerate(batch):
            for token, span in enumerate(window.spans):
                if span is not None:
                    states[row, token] = vector(window.tokens[slice(*span)])
        sums = states.sum(axis=1)
        vectors = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        return pooled(batch, vectors, states) if any(window.parts for window in batch) else vectors


def embed(model: Any, chunk: str, sentences: str = "outlying", before: str = "", after: str = "") -> dict[str, Any]:
    inputs = [json.dumps([before, chunk, after])]
    (result,) = run(task.prepare(model, inputs, {"sentences": sentences}), model)
    found: dict[str, Any] = json.loads(result)
    return found


def test_a_sentence_on_another_subject_has_a_vector_of_its_own() -> None:
    model = WordEngine()
    chunk = f"{SAME}. {SAME}. {OTHER}. {SAME}. {SAME}."
    found = embed(model, chunk)
    ((start, end, own),) = found["sentences"]
    assert chunk[start:end] == f"{OTHER}."
    assert json.loads(own) == pytest.approx(vector(OTHER), abs=1e-5)
    assert json.loads(found["embedding"]) == pytest.approx(vector(chunk), abs=1e-5)
    # The sentences were read once within the chunk, and the one that was chosen once more.
    assert model.read[-2:] == [chunk, f"{OTHER}."]


def test_what_stands_around_the_chunk_is_no_part_of_it() -> None:
    model = WordEngine()
    model.prompts = {"document": "passage: "}
    chunk = f"{SAME}. {OTHER}. {SAME}. {SAME}."
    found = embed(model, chunk, before="Kettles: ", after=" (manual)")
    ((start, end, own),) = found["sentences"]
    assert chunk[start:end] == f"{OTHER}."
    assert json.loads(own) == pytest.approx(vector(f"passage {OTHER}"), abs=1e-5)
    assert f"passage: Kettles: {chunk} (manual)" in model.read


@pytest.mark.parametrize("chunk", [f"{SAME}.", f"{SAME}. {OTHER}.", f"{SAME}. {SAME}. {SAME}. Marta, no.", "", " ... "])
def test_short_texts_and_fragments_have_one_vector(chunk: str) -> None:
    model = WordEngine()
    assert embed(model, chunk)["sentences"] == []
    assert model.read.count(chunk) == 1


def test_of_a_text_longer_than_the_window_only_what_was_read_counts() -> None:
    model = WordEngine(window=40)
    assert embed(model, f"{SAME}. " * 4 + f"{OTHER}.")["sentences"] == []


def test_all_sentences() -> None:
    """Also by an engine that gives no token states, which finds no outlying ones."""
    model, chunk = EchoEngine(), f"{SAME}. {OTHER}. {SAME}."
    assert embed(model, chunk)["sentences"] == []
    found = embed(model, chunk, "all")["sentences"]
    assert [chunk[start:end] for start, end, _ in found] == [f"{SAME}.", f"{OTHER}.", f"{SAME}."]
    assert json.loads(found[1][2]) == pytest.approx(vector(OTHER), abs=1e-5)
    assert embed(model, f"{SAME}. {OTHER}.", "all")["sentences"] == []


def test_many_texts_of_all_kinds_keep_their_places() -> None:
    model = WordEngine()
    chunks = [f"{SAME}.", f"{SAME}. {OTHER}. {SAME}. {SAME}.", "", f"{SAME}. {SAME}. {SAME}."]
    inputs = [json.dumps(["", chunk, ""]) for chunk in chunks]
    found = [json.loads(each) for each in run(task.prepare(model, inputs, {"sentences": "outlying"}), model)]
    assert [len(each["sentences"]) for each in found] == [0, 1, 0, 0]
    for each, chunk in zip(found, chunks, strict=True):
        wanted = vector(chunk) if chunk else [0.0] * DIMENSIONS
        assert json.loads(each["embedding"]) == pytest.approx(wanted, abs=1e-5)


def test_means_of_token_states() -> None:
    states = np.array([[[1, 0], [0, 1], [0, 3]], [[2, 0], [0, 0], [0, 0]]], np.float32)
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    first, second = pooled([Window(None, 3, parts=[(0, 2), (1, 3)]), Window(None, 1)], vectors, states)
    assert isinstance(first, Pooled)
    assert np.allclose(first.parts, [[0.5**0.5, 0.5**0.5], [0, 1]])
    assert first.vector is not None
    assert second.tolist() == [0, 1]
