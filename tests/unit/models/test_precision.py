"""Which precision a model is registered with: written down, so that nothing changes the vectors later."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pg_llm import processor
from pg_llm.errors import InvalidModel
from pg_llm.models import export, loading
from pg_llm.models.spec import ModelSpec

Resolve = Callable[..., dict[str, Any]]


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Which tasks and precisions were exported."""
    made: list[tuple[str, str]] = []
    monkeypatch.setattr(export, "ensure_exported", lambda folder, digest, *kind: made.append(kind))
    monkeypatch.setattr(processor, "has_vnni", lambda: True)
    return made


@pytest.fixture
def resolve(tmp_path: Path) -> Resolve:
    (tmp_path / "model.safetensors").write_bytes(b"x")

    def options(task: str = "embedding", **given: Any) -> dict[str, Any]:
        return loading.resolve(ModelSpec("m", task, f"path:{tmp_path}", options={"device": "cpu", **given})).options

    return options


def test_an_encoder_gets_int8_where_it_pays(resolve: Resolve, exported: list[tuple[str, str]]) -> None:
    assert resolve() == {"device": "cpu", "precision": "int8"}
    assert exported == [("embedding", "int8")]


def test_without_vnni_it_stays_as_it_is(
    resolve: Resolve, exported: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "has_vnni", lambda: False)
    assert resolve() == {"device": "cpu", "precision": "fp32"}
    assert exported == []


def test_vectors_that_do_not_agree_stay_in_fp32(
    resolve: Resolve, exported: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def differ(*_: Any) -> Any:
        raise InvalidModel("the int8 export differs from the model: cosine similarity 0.9400")

    monkeypatch.setattr(export, "ensure_exported", differ)
    assert resolve() == {"device": "cpu", "precision": "fp32"}


def test_what_the_caller_says_holds(resolve: Resolve, exported: list[tuple[str, str]]) -> None:
    assert resolve(precision="fp32")["precision"] == "fp32"
    # Without int8 there is nothing to choose: on another engine, and for what has labels as outputs.
    assert "precision" not in resolve(engine="torch")
    assert "precision" not in resolve("classification")
    assert exported == []


def test_the_export_in_int8_is_compared_with_fp32_and_says_how_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantization = pytest.importorskip("pg_llm.models.quantization")
    outputs = [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.1], [0.1, 1.0]], [[1.0, 0.2], [0.2, 1.0]]]
    np = pytest.importorskip("numpy")
    monkeypatch.setattr(quantization, "quantize", lambda folder: None)
    for other, agrees in ((1, True), (2, False)):
        (tmp_path / "meta.json").write_text(json.dumps({"task": "embedding"}))
        found = iter([np.array(outputs[0]), np.array(outputs[other])])
        monkeypatch.setattr(export, "_outputs", lambda folder, found=found: next(found))
        if agrees:
            export._quantize(tmp_path, "int8")
            assert json.loads((tmp_path / "meta.json").read_text())["cosine"] == 0.995
        else:
            with pytest.raises(InvalidModel, match=r"int8 export differs from the model: cosine similarity 0\.9806"):
                export._quantize(tmp_path, "int8")
