"""Chunks by each method, counted by a model whose tokens are words."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from echo import EchoEngine, run
from pg_llm.search.host import chunking

METHODS = ("auto", "sentences", "recursive", "markdown", "tokens")


class WordEngine(EchoEngine):
    """Every word is a token; two more stand around each window; 30 words are read at once."""

    def encode(self, texts: Any, overlap: int = 0) -> Any:
        windows = super().encode(texts, overlap)
        for each, text in zip(windows, texts, strict=True):
            words = text.split()
            each[:] = [
                type(each[0])(part, len(part) + 2)
                for part in ([words[at : at + 30] for at in range(0, len(words), 30)] or [[]])
            ]
        return windows


def chunks(text: str, method: str, tokens: int | None = None, overlap: int = 0) -> list[str]:
    model = WordEngine()
    options = {"chunking": method, "tokens": tokens, "overlap": overlap}
    (result,) = run(chunking.prepare(model, [text], options), model)
    return [text[start:end] for start, end in json.loads(result)]


def document(seed: int) -> str:
    chance = random.Random(seed)
    sentence = lambda: " ".join("word" for _ in range(chance.randint(1, 40))) + ". "  # noqa: E731
    return "\n\n".join(
        ("# Heading\n\n" if chance.random() < 0.3 else "") + "".join(sentence() for _ in range(chance.randint(1, 6)))
        for _ in range(30)
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(5))
def test_no_chunk_is_longer_than_it_may_be_and_every_word_is_in_one(method: str, seed: int) -> None:
    text = document(seed)
    found = chunks(text, method, 12)
    assert all(0 < len(chunk.split()) <= 12 for chunk in found)
    assert " ".join(found).split() == text.split()


@pytest.mark.parametrize("method", METHODS)
def test_without_a_length_the_models_window_is_filled(method: str) -> None:
    found = chunks("word " * 95, method)
    assert max(len(chunk.split()) for chunk in found) == 30


def test_a_chunk_that_is_long_enough_ends_with_its_paragraph() -> None:
    short, long = "One two.", " ".join(["word"] * 8)
    text = f"{long}\n\n{short}\n \n{long}  \n\n\n{long} {long}\n{long} {long}\n\n{short}"
    assert chunks(text, "recursive", 16) == [long, f"{short}\n \n{long}", f"{long} {long}", f"{long} {long}", short]
    # What is short enough is one chunk, however many paragraphs it has.
    assert chunks(f"{long}\n\n{short}", "recursive", 16) == [f"{long}\n\n{short}"]


def test_sentences_stay_whole() -> None:
    text = "One two three. Four five. Six seven eight nine. 第十。"
    assert chunks(text, "sentences", 8) == ["One two three. Four five.", "Six seven eight nine. 第十。"]
    repeated = chunks(text, "sentences", 6, overlap=2)
    assert repeated == ["One two three. Four five.", "Four five. Six seven eight nine.", "第十。"]


def test_a_heading_begins_a_chunk() -> None:
    text = "# One\n\nword word word word\n\n# Two\n\nword word word word"
    assert [chunk[:5] for chunk in chunks(text, "auto", 8)] == ["# One", "# Two"]


def test_blank_passages_have_no_chunk() -> None:
    assert chunks(" \n" * 30_000 + "word", "recursive", 8) == ["word"]
