"""The files of a graph's model are data: nothing in them names a source, becomes a path or fills the host."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pg_llm.errors import InvalidModel
from pg_llm.models import loading, source
from pg_llm.models.graph import GraphModel
from pg_llm.models.spec import ModelSpec
from safetensors.numpy import save_file

ABOUT = {"method": "distmult", "predicates": ["p"], "ends": [[[0], [1]]]}
ARRAYS = {
    "ids": np.array([5, 6, 7], dtype=np.int64),
    "types": np.array([0, 1, 1], dtype=np.int32),
    "entities": np.eye(3, dtype=np.float32),
    "predicates": np.ones((2, 3), dtype=np.float32),
}
FLOATS = np.float32
# What each of these is replaced by; each makes a model that is none.
BAD: dict[str, dict[str, Any]] = {
    "no vectors": {"entities": np.zeros((3, 0), dtype=FLOATS)},
    "no entities": {name: ARRAYS[name][:0] for name in ("ids", "types", "entities")},
    "fewer types": {"types": ARRAYS["types"][:2]},
    "more entities": {"entities": np.zeros((4, 3), dtype=FLOATS)},
    "one axis more": {"entities": np.zeros((3, 3, 2), dtype=FLOATS)},
    "other widths": {"predicates": np.ones((2, 4), dtype=FLOATS)},
    "predicates missing": {"predicates": np.ones((1, 3), dtype=FLOATS)},
    "not finite": {"entities": np.full((3, 3), np.nan, dtype=FLOATS)},
    "other numbers": {"ids": np.array([5, 6, 7], dtype=FLOATS)},
    "an array more": {"other": np.zeros(3, dtype=FLOATS)},
    "unknown method": {"about": {**ABOUT, "method": "magic"}},
    "method of no text": {"about": {**ABOUT, "method": ["distmult"]}},
    "ends of no numbers": {"about": {**ABOUT, "ends": [[["0"], [1]]]}},
    "negative type": {"about": {**ABOUT, "ends": [[[-1], [1]]]}},
    "one end": {"about": {**ABOUT, "ends": [[[0]]]}},
    "ends missing": {"about": {"method": "distmult", "predicates": ["p"]}},
    "predicates of no texts": {"about": {**ABOUT, "predicates": [1]}},
    "a list": {"about": []},
    "too deep": {"text": "[" * 100_000},
    "too long": {"text": json.dumps({**ABOUT, "predicates": ["x" * (17 << 20)]})},
    "no JSON": {"text": "{"},
    "no UTF-8": {"bytes": b'{"method": "\xff"}'},
    "no safetensors": {"weights": b"no"},
    "a header that lies": {"weights": (1 << 60).to_bytes(8, "little") + b"{}"},
    "a shape that lies": {
        "weights": (lambda h: len(h).to_bytes(8, "little") + h)(
            b'{"ids":{"dtype":"I64","shape":[1000000000000],"data_offsets":[0,8]}}'
        )
        + bytes(8)
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, {})
    return tmp_path


def write(folder: Path, changed: dict[str, Any]) -> None:
    arrays = {**ARRAYS, **{name: value for name, value in changed.items() if isinstance(value, np.ndarray)}}
    save_file(arrays, folder / "graph.safetensors")
    text = changed.get("text", json.dumps(changed.get("about", ABOUT)))
    (folder / "graph.json").write_bytes(changed.get("bytes", text.encode()))
    if "weights" in changed:
        (folder / "graph.safetensors").write_bytes(changed["weights"])


def test_a_model_predicts_what_fits(folder: Path) -> None:
    model = GraphModel(folder)
    (window,) = model.encode(['[5, "p", 0]'])[0]
    found = model.forward([window])[0]
    assert found[0] == 0
    assert found.sum() == pytest.approx(1)
    assert model.forward([model.encode(['[6, "p", 1]'])[0][0]])[0].tolist() == [1, 0, 0]


@pytest.mark.parametrize("changed", BAD.values(), ids=BAD)
def test_files_that_are_no_model_are_told(folder: Path, changed: dict[str, Any]) -> None:
    write(folder, changed)
    with pytest.raises(InvalidModel):
        GraphModel(folder)


@pytest.mark.parametrize("digest", ["/some/folder", "..", "", "0" * 63, "G" * 64, "0" * 64 + "\n", "*"])
def test_what_is_no_digest_becomes_no_path(tmp_path: Path, digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept").write_text("")
    with pytest.raises(InvalidModel, match="not the digest"):
        source.trained_folder(digest)
    for given in filter(None, (digest, str(tmp_path))):
        with pytest.raises(InvalidModel, match="not the digest"):
            loading.forget(ModelSpec("m", "graph", f"database:{given}", digest=given))
    assert (tmp_path / "kept").exists()


def never(_: ModelSpec) -> Any:
    raise AssertionError("a graph's model asked for another model")


def stored_in(folder: Path) -> Callable[[str], Path]:
    return lambda digest: folder


def test_a_graphs_model_is_loaded_as_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = {"name": "b", "task": "embedding", "source": "http://127.0.0.1:9/v1#m", "options": {"api_key_env": "PATH"}}
    (folder / "head.json").write_text(json.dumps({"base": base, "labels": ["x"], "multi_label": False}))
    (folder / "recommender.json").write_text('{"length": 1}')
    monkeypatch.setattr(source, "trained_folder", stored_in(folder))
    spec = ModelSpec("m", "graph", f"database:{'0' * 64}")
    assert isinstance(loading.load(spec, 1, never), GraphModel)
    (folder / "graph.json").unlink()
    with pytest.raises(InvalidModel):
        loading.load(spec, 1, never)


def test_a_graphs_model_comes_from_the_database(folder: Path) -> None:
    with pytest.raises(InvalidModel, match="kept in the database"):
        loading.load(ModelSpec("m", "graph", f"path:{folder}"), 1, never)
