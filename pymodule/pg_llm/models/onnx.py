"""Embedding models on the CPU: onnxruntime and the tokenizers library, without torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from pg_llm.models.engine import Encoded


class OnnxEmbedding:
    """An export of `pg_llm.models.export`, loaded."""

    engine = "onnx"
    device = "cpu"
    # Larger batches are no faster on a CPU (measured: 1024 to 8192 padded tokens within 5 %) and make others wait.
    batch_tokens = 1024

    def __init__(self, folder: Path, threads: int) -> None:
        meta = json.loads((folder / "meta.json").read_text())
        self.dimensions: int = meta["dimensions"]
        self.prompts: dict[str, str] = meta["prompts"]
        self._inputs: list[str] = meta["inputs"]
        self._pad_id: int = meta["pad_id"]
        self.bytes = (folder / "model.onnx").stat().st_size
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Idle threads that spin would take the CPU away from PostgreSQL.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            folder / "model.onnx", sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(meta["max_tokens"])

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Token ids and types, not padded."""
        return [
            Encoded((found.ids, found.type_ids), len(found.ids)) for found in self._tokenizer.encode_batch(list(texts))
        ]

    def forward(self, batch: Sequence[Encoded]) -> Any:
        """Unit vectors, float32, shape (len(batch), dimensions)."""
        shape = (len(batch), max(item.cost for item in batch))
        feed = {
            "input_ids": np.full(shape, self._pad_id, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "token_type_ids": np.zeros(shape, dtype=np.int64),
        }
        for row, item in enumerate(batch):
            ids, types = item.tokens
            feed["input_ids"][row, : item.cost] = ids
            feed["attention_mask"][row, : item.cost] = 1
            feed["token_type_ids"][row, : item.cost] = types
        return self._session.run(None, {name: feed[name] for name in self._inputs})[0]
