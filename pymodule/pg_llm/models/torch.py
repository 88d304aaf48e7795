"""Transformers run by torch: on CUDA, or where the option engine asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from pg_llm.models.engine import Text, Window
from pg_llm.models.network import Network
from pg_llm.models.token_states import pooled


class TorchModel:
    """A network on one device."""

    engine = "torch"

    def __init__(self, folder: Path, task: str, device: str, threads: int, base: Path | None = None) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.task = task
        self.device = device
        self.batch_tokens = 32768 if device == "cuda" else 512
        self.network = Network(folder, task, device, base=base)
        self.pools_parts = task == "embedding"
        self._tokens = self.network.tokenization()
        self.details = self.network.meta.details
        self.prompts = self.network.meta.prompts
        self.bytes = sum(weight.nbytes for weight in self.network.parameters())

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text, not padded."""
        return self._tokens.encode(texts, overlap)

    def padded(self, batch: Sequence[Window]) -> list[torch.Tensor]:
        """The network's inputs in their order, int64 of shape (len(batch), longest)."""
        padded = self._tokens.padded(batch)
        return [torch.from_numpy(padded[name]).to(self.device) for name in self.network.meta.inputs]

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, which truncates at the model's longest input."""
        return self._tokens.tokenizer()

    def forward(self, batch: Sequence[Window]) -> Any:
        """One output per window; float32 of shape (len(batch), …), or a list where a window has parts."""
        with torch.inference_mode():
            if any(window.parts for window in batch):
                vectors, states = self.network.with_states(*self.padded(batch))
                return pooled(batch, vectors.cpu().numpy(), states.cpu().numpy())
            return self.network(*self.padded(batch)).cpu().numpy()
