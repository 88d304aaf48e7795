"""Sequential recommendation: the model that `pg_llm.recommend.host.training` trains, from item histories to vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from pg_llm.models import onnx
from pg_llm.models.engine import Text, Window


class RecommenderModel:
    """`forward` gives a vector per sequence, whose inner product with an item's vector scores it as the next item."""

    task = "recommendation"
    engine = "onnx"
    device = "cpu"
    batch_tokens = 64

    def __init__(self, folder: Path, threads: int) -> None:
        description = json.loads((folder / "recommender.json").read_text(encoding="utf-8"))
        self._items = load_file(folder / "items.safetensors")["vectors"]
        self._length: int = description["length"]
        self._folder = folder
        self.bytes = int(self._items.nbytes) + (folder / "sequence.onnx").stat().st_size
        self.details: dict[str, Any] = {"dimensions": self._items.shape[1] + 1}
        self._session = onnx.session(folder / "sequence.onnx", threads)

    @cached_property
    def validation(self) -> dict[str, Any]:
        """Ranks and lists of the validation users' last events."""
        return load_file(self._folder / "validation.safetensors")

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """One window per text, a JSON list of item numbers, the latest last; unknown numbers are ignored."""
        windows = []
        for text in texts:
            numbers = [number for number in json.loads(str(text)) if 0 <= number < len(self._items)]
            windows.append([Window(numbers[-self._length :], 1)])
        return windows

    def forward(self, batch: Sequence[Window]) -> Any:
        """Shape (len(batch), dimensions + 1); the last number is 1, for the popularity bias of an item."""
        vectors = np.zeros((len(batch), self._length, self._items.shape[1]), dtype=np.float32)
        present = np.zeros((len(batch), self._length), dtype=np.float32)
        for row, item in enumerate(batch):
            if item.tokens:
                vectors[row, -len(item.tokens) :] = self._items[item.tokens]
                present[row, -len(item.tokens) :] = 1
        vectors = self._session.run(None, {"vectors": vectors, "present": present})[0]
        return np.hstack([vectors, np.ones((len(batch), 1), dtype=np.float32)])
