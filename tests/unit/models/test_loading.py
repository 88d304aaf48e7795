"""What a model is, is said by the registry: no file of it names a source, an address, a variable or a place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pg_llm.errors import InvalidModel
from pg_llm.models import loading, source
from pg_llm.models.spec import ModelSpec
from safetensors.numpy import save_file

ELSEWHERE = {
    "name": "x",
    "task": "embedding",
    "source": "http://127.0.0.1:9/v1#x",
    "revision": None,
    "digest": None,
    "options": {"api_key_env": "PATH"},
}


def nothing_is_fetched(spec: ModelSpec) -> Any:
    raise AssertionError(f"a file made {spec.source} be loaded")


@pytest.mark.parametrize("task", ["classification", "embedding", "entities", "relations", "generation"])
def test_a_file_names_no_other_model(tmp_path: Path, task: str) -> None:
    save_file({name: np.ones((2, 2), np.float32) for name in ("weights", "bias")}, tmp_path / "head.safetensors")
    about = {"labels": ["a", "b"], "multi_label": False, "base": ELSEWHERE}
    (tmp_path / "head.json").write_text(json.dumps(about))
    with pytest.raises(InvalidModel, match="the registry does not say of which"):
        loading.load(ModelSpec("m", task, f"path:{tmp_path}"), 1, nothing_is_fetched)


@pytest.mark.parametrize("digest", ["", "/etc", "..", "../models", "a" * 63, "A" * 64, "a" * 64 + "/..", "*", "a" * 65])
def test_what_is_no_digest_is_no_place(digest: str) -> None:
    with pytest.raises(InvalidModel, match="not the digest"):
        source.trained_folder(digest)
    with pytest.raises(InvalidModel, match="not the digest"):
        loading.forget(ModelSpec("m", "graph", "database:" + "0" * 64, digest=digest or "x"))


@pytest.mark.parametrize("task", ["classification", "ranking"])
def test_gguf_files_write_or_embed_and_do_nothing_else(tmp_path: Path, task: str) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(InvalidModel, match=f"cannot do {task}") as caught:
        loading.load(ModelSpec("m", task, f"path:{tmp_path}"), 1, nothing_is_fetched)
    assert "generation" in str(caught.value.hint)
