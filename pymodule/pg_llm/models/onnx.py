"""Transformers run by onnxruntime on the CPU, without importing torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime
from tokenizers import Tokenizer

from pg_llm.models import tokens
from pg_llm.models.engine import Text, Window


def session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU; 0 threads are one per core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Idle threads that spin would take the CPU away from PostgreSQL.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(file, sess_options=options, providers=["CPUExecutionProvider"])


class OnnxModel:
    """A model that `pg_llm.models.export` exported."""

    engine = "onnx"
    device = "cpu"
    # Larger batches are no faster on a CPU (measured: 512 to 8192 padded tokens) and make others wait.
    batch_tokens = 512

    def __init__(self, folder: Path, threads: int) -> None:
        meta = json.loads((folder / "meta.json").read_text())
        self.task: str = meta["task"]
        self.details: dict[str, Any] = meta["details"]
        self.prompts: dict[str, str] = meta["prompts"]
        self.bytes = (folder / "model.onnx").stat().st_size
        self._session = session(folder / "model.onnx", threads)
        serialized = (folder / "tokenizer.json").read_text(encoding="utf-8")
        self._tokens = tokens.for_task(self.task, serialized, meta["inputs"], meta["max_tokens"], meta["pad_id"])

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, which truncates at the model's longest input."""
        return self._tokens.tokenizer()

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text, not padded."""
        return self._tokens.encode(texts, overlap)

    def padded(self, batch: Sequence[Window]) -> dict[str, Any]:
        """The network's inputs by their names, int64 of shape (len(batch), longest)."""
        return self._tokens.padded(batch)

    def forward(self, batch: Sequence[Window]) -> Any:
        """One output per window; float32 of shape (len(batch), …)."""
        return self._session.run(None, self.padded(batch))[0]
