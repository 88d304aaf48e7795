"""Distillation: on an encoder that is a table of vectors itself, and as a backend asks for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pg_llm.errors import InvalidInput
from pg_llm.models import loading
from pg_llm.models.engine import Window
from pg_llm.models.onnx import OnnxModel
from pg_llm.models.spec import ModelSpec
from pg_llm.models.static import StaticModel
from pg_llm.runtime.training.dataset import Example
from pg_llm.training.host import distillation
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

WORDS, DIMENSIONS = 60, 12
BASE = ModelSpec("base", "embedding", "path:/base").to_wire()
JOB = {"task": "embed", "method": "static", "base": BASE, "options": {"dimensions": 8}}


class Encoder(OnnxModel):
    """Alone, each word means something else than beside others, where its topic counts."""

    def __init__(self) -> None:
        names = ["[UNK]", "[CLS]", "[SEP]", *(f"word{number}" for number in range(WORDS))]
        tokenizer = Tokenizer(WordLevel({name: place for place, name in enumerate(names)}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = Whitespace()
        tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
        random = np.random.default_rng(3)
        self._words = tokenizer
        self._alone = random.normal(0, 1, (len(names), DIMENSIONS))
        topics = random.normal(0, 1, (6, DIMENSIONS))
        self._beside = topics[np.arange(len(names)) % 6] + random.normal(0, 0.3, (len(names), DIMENSIONS))
        self.fed: list[list[int]] = []

    @property
    def tokenizer(self) -> Tokenizer:
        return self._words

    def encode(self, texts: Sequence[Any], overlap: int = 0) -> list[list[Window]]:
        return [
            [Window((encoding.ids, encoding.type_ids), len(encoding.ids))]
            for encoding in self._words.encode_batch(list(texts))
        ]

    def forward(self, batch: Sequence[Window]) -> Any:
        self.fed += [window.tokens[0] for window in batch]
        table = [self._alone if window.cost == 3 else self._beside for window in batch]
        sums = [rows[window.tokens[0][1:-1]].sum(axis=0) for rows, window in zip(table, batch, strict=True)]
        return np.array([row / np.linalg.norm(row) for row in sums], dtype=np.float32)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    encoder = Encoder()
    monkeypatch.setattr(loading, "load", lambda spec, threads, get: encoder)
    return encoder


def texts(count: int) -> list[Example]:
    random = np.random.default_rng(5)
    return [Example(" ".join(f"word{number}" for number in random.integers(0, WORDS, 6)), "") for _ in range(count)]


def run(folder: Path, rows: list[Example]) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return distillation.run(JOB, rows, folder, lambda *_, **__: None)


def test_each_token_is_embedded_between_the_special_ones(encoder: Encoder, tmp_path: Path) -> None:
    assert run(tmp_path, []) == {"tokens": WORDS + 3, "dimensions": 8}
    assert sorted(encoder.fed) == [[1, number, 2] for number in range(WORDS + 3)]
    model = StaticModel(tmp_path)
    vectors = model.forward([windows[0] for windows in model.encode(["word1 word7 word7", "word9"])])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "model2vec"


def test_texts_bring_the_vectors_nearer_to_the_encoder(encoder: Encoder, tmp_path: Path) -> None:
    rows = texts(500)
    metrics = run(tmp_path, rows)
    assert metrics["sentences"] == 400
    assert metrics["agreement"] > 0.9 > 0.5 > metrics["agreement_before"]
    # The same rows in another order make the same model.
    assert run(tmp_path / "again", rows[::-1]) == metrics
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_too_few_texts_are_said(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="yields 30 sentences, too few to fit 63 vectors") as caught:
        run(tmp_path, [*texts(30), Example("", ""), Example("short", "")])
    assert "200 at least" in (caught.value.hint or "")


def test_a_model_without_a_vocabulary_cannot_be_distilled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[ModelSpec] = []
    monkeypatch.setattr(loading, "load", lambda spec, threads, get: asked.append(spec))
    with pytest.raises(InvalidInput, match='model "base" has no vocabulary'):
        run(tmp_path, [])
    assert asked[0].options == {"engine": "onnx", "device": "cpu"}


def test_rare_tokens_weigh_more() -> None:
    weights = distillation._zipf_weights(1000)
    assert (np.diff(weights) > 0).all()
    assert weights[-1] < 1
