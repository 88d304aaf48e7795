"""Static embeddings: means of token vectors, from folders as model2vec writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pg_llm.errors import InvalidModel
from pg_llm.models import loading, source
from pg_llm.models.spec import ModelSpec
from pg_llm.models.static import MAX_TOKENS, StaticModel
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

TABLE = np.array([[9, 9], [1, 0], [0, 1], [3, 4], [9, 9]], dtype=np.float16)


def save(folder: Path, **tensors: Any) -> Path:
    words = {"[UNK]": 0, "red": 1, "blue": 2, "rose": 3, "[CLS]": 4}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    # Special tokens are none of the text's.
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 4)])
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file({"embeddings": TABLE, **tensors}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    return folder


def embed(model: StaticModel, *texts: str) -> Any:
    return model.forward([windows[0] for windows in model.encode(texts)])


def test_a_text_is_the_mean_of_its_tokens_as_a_unit_vector(tmp_path: Path) -> None:
    model = StaticModel(save(tmp_path))
    assert (model.engine, model.details) == ("static", {"dimensions": 2})
    found = embed(model, "rose", "red blue", "", "red what", "x y")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.5**0.5, 0.5**0.5], [0, 0], [1, 0], [0, 0]], atol=1e-6)


def test_shared_vectors_and_weights_of_a_published_model(tmp_path: Path) -> None:
    mapping, weights = np.array([0, 2, 1, 3, 0]), np.array([1, 1, 3, 1, 1], dtype=np.float32)
    model = StaticModel(save(tmp_path, mapping=mapping, weights=weights))
    np.testing.assert_allclose(embed(model, "red", "blue red"), [[0, 1], [3 / 10**0.5, 1 / 10**0.5]], atol=1e-6)


@pytest.mark.parametrize(
    "tensors",
    [
        {"embeddings": TABLE[:4]},
        {"embeddings": TABLE[0]},
        {"mapping": np.array([0, 2, 1, 3, 5])},
        {"mapping": np.array([0, 2, 1, 3, -1])},
        {"mapping": np.zeros(1000, dtype=np.int8)},
        {"weights": np.ones(4, dtype=np.float32)},
    ],
)
def test_vectors_that_do_not_fit_the_tokenizer_are_refused(tmp_path: Path, tensors: dict[str, Any]) -> None:
    with pytest.raises(InvalidModel, match="model.safetensors"):
        StaticModel(save(tmp_path, **tensors))


def test_a_long_text_has_windows(tmp_path: Path) -> None:
    model = StaticModel(save(tmp_path))
    (windows,) = model.encode(["red " * MAX_TOKENS + "blue"])
    assert [window.cost for window in windows] == [MAX_TOKENS, 1]


def test_it_is_loaded_for_embedding_and_nothing_else(tmp_path: Path) -> None:
    spec = ModelSpec("m", "embedding", f"path:{save(tmp_path)}")
    resolved = loading.resolve(spec)
    # There is one precision only.
    assert resolved.options == {}
    assert loading.load(resolved, 1, lambda _: pytest.fail("no base")).engine == "static"
    with pytest.raises(InvalidModel, match="static embeddings cannot do classification"):
        loading.load(ModelSpec("m", "classification", f"path:{tmp_path}"), 1, lambda _: pytest.fail("no base"))
    save_file({"vectors": TABLE}, tmp_path / "model.safetensors")
    with pytest.raises(InvalidModel, match="has no embeddings"):
        loading.load(spec, 1, lambda _: pytest.fail("no base"))


def test_only_the_configuration_says_that_a_folder_is_static(tmp_path: Path) -> None:
    assert not source.is_static(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert not source.is_static(tmp_path)
