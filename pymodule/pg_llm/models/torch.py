"""Transformers run by torch: on CUDA, or where the option engine asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pg_llm.models.engine import Text, Window
from pg_llm.models.network import Network
from pg_llm.models.token_states import pooled


class TorchModel:
    """A network on one device."""

    engine = "torch"

    def __init__(self, folder: Path, task: str, device: str, threads: int) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.task = task
        self.device = device
        self.batch_tokens = 32768 if device == "cuda" else 512
        self._network = Network(folder, task, device)
        self._network.shows_states = self.has_token_states = task == "embedding"
        self._tokens = self._network.tokenization()
        self.details = self._network.meta.details
        self.prompts = self._network.meta.prompts
        self.bytes = sum(weight.nbytes for weight in self._network.parameters())

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text, not padded."""
        return self._tokens.encode(texts, overlap)

    def forward(self, batch: Sequence[Window]) -> Any:
        """One output per window; float32 of shape (len(batch), …), or a list where a window has parts."""
        padded = self._tokens.padded(batch)
        with torch.inference_mode():
            inputs = (torch.from_numpy(padded[name]).to(self.device) for name in self._network.meta.inputs)
            outputs = self._network(*inputs)
        if not self.has_token_states:
            return outputs.cpu().numpy()
        vectors, states = outputs
        if any(window.parts for window in batch):
            return pooled(batch, vectors.cpu().numpy(), states.cpu().numpy())
        return vectors.cpu().numpy()
