"""A recommender as `pg_llm.recommend.host.training` makes it: what a user wants after a sequence of items."""

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
    """`forward` gives a vector per sequence: its product with an item's vector says how likely that item is next."""

    task = "recommendation"
    engine = "onnx"
    device = "cpu"
    batch_tokens = 64

    def __init__(self, folder: Path, threads: int) -> None:
        about = json.loads((folder / "recommender.json").read_text(encoding="utf-8"))
        self._items = load_file(folder / "items.safetensors")["vectors"]
        self._length: int = about["length"]
        self._folder = folder
        self.bytes = int(self._items.nbytes) + (folder / "sequence.onnx").stat().st_size
        self.details: dict[str, Any] = {"dimensions": self._items.shape[1] + 1}
        self._session = onnx.session(folder / "sequence.onnx", threads)

    @cached_property
    def validation(self) -> dict[str, Any]:
        """What was kept of the measured users' last events: ranks and lists."""
        return load_file(self._folder / "validation.safetensors")

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """One window per text, a JSON list of item numbers, the latest last; unknown numbers are passed over."""
        found = []
        for text in texts:
            numbers = [number for number in json.loads(str(text)) if 0 <= number < len(self._items)]
            found.append([Window(numbers[-self._length :], 1)])
        return found

    def forward(self, batch: Sequence[Window]) -> Any:
        """Shape (len(batch), dimensions + 1); the last 1 takes in how frequent an item is."""
        vectors = np.zeros((len(batch), self._length, self._items.shape[1]), dtype=np.float32)
        present = np.zeros((len(batch), self._length), dtype=np.float32)
        for row, item in enumerate(batch):
            if item.tokens:
                vectors[row, -len(item.tokens) :] = self._items[item.tokens]
                present[row, -len(item.tokens) :] = 1
        after = self._session.run(None, {"vectors": vectors, "present": present})[0]
        return np.hstack([after, np.ones((len(batch), 1), dtype=np.float32)])
