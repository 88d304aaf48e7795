"""Embedding models through sentence-transformers and torch: on CUDA, or where an ONNX export is not wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from pg_llm.models.engine import Encoded


class TorchEmbedding:
    """A sentence-transformers model, loaded on one device."""

    engine = "torch"

    def __init__(self, folder: Path, device: str, threads: int) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.device = device
        self.batch_tokens = 32768 if device == "cuda" else 1024
        self._model = SentenceTransformer(
            str(folder), device=device, trust_remote_code=False, local_files_only=True,
            model_kwargs={"use_safetensors": True},
        ).eval()  # fmt: skip
        self.dimensions = int(self._model.get_embedding_dimension() or 0)
        self.prompts = {name: text for name, text in self._model.prompts.items() if name in ("query", "document")}
        self.bytes = sum(weight.nbytes for weight in self._model.parameters())

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Token ids, cut at the model's longest input, not padded."""
        found = self._model.tokenizer(list(texts), truncation=True, max_length=self._model.max_seq_length)
        names = list(found)
        rows = zip(*(found[name] for name in names), strict=True)
        return [Encoded(dict(zip(names, row, strict=True)), len(row[0])) for row in rows]

    def forward(self, batch: Sequence[Encoded]) -> Any:
        """Unit vectors, float32, shape (len(batch), dimensions)."""
        padded = self._model.tokenizer.pad([item.tokens for item in batch], return_tensors="pt")
        with torch.inference_mode():
            out = self._model({name: tensor.to(self.device) for name, tensor in padded.items()})["sentence_embedding"]
            return torch.nn.functional.normalize(out.float(), dim=-1).cpu().numpy()
