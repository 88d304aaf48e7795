"""A linear classifier on another model's embeddings, as `pg_llm.training.host.head` trains it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from pg_llm.models.engine import Engine, Text, TokenStates, Window
from pg_llm.models.spec import ModelSpec


class HeadModel:
    """`forward` gives logits; the embedding model is fetched for every batch, as it may have been evicted."""

    task = "classification"

    def __init__(self, folder: Path, base: ModelSpec, get: Callable[[ModelSpec], Engine]) -> None:
        description = json.loads((folder / "head.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "head.safetensors")
        self.weights, self.bias = self._layer(tensors["weights"]), tensors["bias"]
        self._base = base
        self._get = get
        model = get(base)
        self.engine, self.device, self.batch_tokens = model.engine, model.device, model.batch_tokens
        self.bytes = int(tensors["weights"].nbytes + self.bias.nbytes)
        self.details: dict[str, Any] = {"labels": description["labels"], "multi_label": description["multi_label"]}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text, as the embedding model cuts them."""
        return self._get(self._base).encode(texts, overlap)

    def forward(self, batch: Sequence[Window]) -> Any:
        """Logits, shape (len(batch), labels)."""
        vectors = np.asarray(self._get(self._base).forward(batch))
        return vectors @ self.weights.T + self.bias

    def token_states(self, text: str) -> list[TokenStates] | None:
        """Of each window of the text, as the embedding model has them; None where it has none."""
        states = getattr(self._get(self._base), "token_states", None)
        return None if states is None else states(text)

    def _layer(self, weights: Any) -> Any:
        """The columns of the weights that belong to the embedding."""
        return weights
