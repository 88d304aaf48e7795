"""Small models: each thread reads texts of its own, and the outputs are those of one thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pg_llm.models import onnx
from pg_llm.models.engine import Window
from pg_llm.models.onnx import OnnxModel, SmallOnnxModel


class Session:
    """Keeps the batches that are read."""

    def __init__(self, per_token: bool) -> None:
        self.per_token = per_token
        self.read: list[int] = []

    def forward(self, model: OnnxModel, batch: Sequence[Window]) -> Any:
        self.read.append(len(batch))
        if self.per_token:
            return np.array([[[window.cost]] * max(item.cost for item in batch) for window in batch], np.float32)
        return np.array([[window.cost, -window.cost] for window in batch], np.float32)


@pytest.fixture(params=[False, True])
def session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Session:
    session = Session(request.param)
    monkeypatch.setattr(OnnxModel, "__init__", lambda self, folder, threads: None)
    monkeypatch.setattr(OnnxModel, "run", lambda self, batch, others: session.forward(self, batch))
    return session


@pytest.mark.parametrize(
    ("costs", "parts"),
    [
        ([5], [1]),
        # Together they are too few for another thread.
        ([5, 6, 7], [3]),
        ([40, 50, 60], [2, 1]),
        ([200], [1]),
        ([64] * 10, [4, 4, 2]),
    ],
)
def test_a_batch_is_shared_by_threads(session: Session, costs: list[int], parts: list[int]) -> None:
    model = SmallOnnxModel(Path(), 3)
    assert model.batch_tokens == 3 * OnnxModel.batch_tokens
    batch = [Window(None, cost) for cost in costs]
    found = model.forward(batch)
    assert sorted(session.read, reverse=True) == parts
    assert [float(np.ravel(row)[0]) for row in found] == costs


def test_large_models_share_the_work_of_each_text(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.touch()
    assert type(onnx.load(tmp_path, 2)) is SmallOnnxModel
    assert type(onnx.load(tmp_path, 1)) is OnnxModel
    with file.open("ab") as sparse:
        sparse.truncate(onnx._SMALL + 1)
    assert type(onnx.load(tmp_path, 2)) is OnnxModel
