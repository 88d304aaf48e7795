"""An encoder in int8: near to fp32, and the same vector for a text whatever is computed beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import small_encoder
from pg_llm import processor
from pg_llm.models import export
from pg_llm.models.onnx import OnnxModel

TEXTS = ["wing flutter at supersonic speed", "!" * 300, "Die Rechnung ist bezahlt.", "", "a cat " * 60]


def vectors(model: OnnxModel, texts: list[str]) -> np.ndarray:
    return np.asarray(model.forward([windows[0] for windows in model.encode(texts)]))


def test_int8_agrees_with_fp32_and_on_every_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = small_encoder.save(tmp_path / "model", layers=2)
    made: dict[str, OnnxModel] = {}
    for name, precision, vnni in (("fp32", "fp32", True), ("int8", "int8", True), ("plain", "int8", False)):
        monkeypatch.setattr(processor, "has_vnni", lambda vnni=vnni: vnni)
        folder = export.export(encoder, name, "embedding", precision, tmp_path / "cache")
        made[name] = OnnxModel(folder, threads=1)
        assert (json.loads((folder / "meta.json").read_text()).get("cosine", 1)) >= 0.99
        assert sorted(file.name for file in folder.iterdir()) == [
            "manifest.json", "meta.json", "model.onnx", "tokenizer.json",
        ]  # fmt: skip
    assert made["int8"].bytes < made["fp32"].bytes
    int8 = vectors(made["int8"], TEXTS)
    assert (int8 * vectors(made["fp32"], TEXTS)).sum(axis=1).mean() > 0.99
    alone = np.vstack([vectors(made["int8"], [text]) for text in TEXTS])
    np.testing.assert_allclose(alone, int8, atol=1e-5)
    # Without VNNI the matrices are unsigned, and the sums exact on any processor.
    np.testing.assert_allclose(vectors(made["plain"], TEXTS), int8, atol=1e-3)
