"""Transformers run by onnxruntime on the CPU, without importing torch."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from pg_llm.models import tokens
from pg_llm.models.engine import Text, TokenStates, Window
from pg_llm.models.token_states import pooled
from pg_llm.models.tokens import Tokenization

# Bytes of weights with which one thread reads a text in milliseconds.
_SMALL = 128 << 20
# Tokens of a batch with which another thread pays, and threads that share one at most.
_LEAST_PART = 64
_MOST_PARTS = 8
# The second output of an export that embeds: the last hidden state of each token.
_STATES = "states"


def load(folder: Path, threads: int) -> OnnxModel:
    """The model of an export; 0 threads are one per core."""
    wanted = threads or os.cpu_count() or 1
    if wanted == 1 or (folder / "model.onnx").stat().st_size > _SMALL:
        return OnnxModel(folder, wanted)
    return SmallOnnxModel(folder, wanted)


def session(file: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
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
    # What a layer makes of more leaves the cache of a core: 512 take 4 to 8 % longer, 1024 13 to 18 %.
    batch_tokens = 256

    def __init__(self, folder: Path, threads: int) -> None:
        meta = json.loads((folder / "meta.json").read_text())
        self.task: str = meta["task"]
        self.details: dict[str, Any] = meta["details"]
        self.prompts: dict[str, str] = meta["prompts"]
        self.bytes = (folder / "model.onnx").stat().st_size
        self._session = session(folder / "model.onnx", threads)
        names = [output.name for output in self._session.get_outputs()]
        # The first of a graph that comes ready may be called otherwise.
        self._output = names[0]
        self.pools_parts = _STATES in names
        serialized = (folder / "tokenizer.json").read_text(encoding="utf-8")
        self._tokens = tokens.for_task(self.task, serialized, meta["inputs"], meta["max_tokens"], meta["pad_id"])

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, which truncates at the model's longest input."""
        return self._tokens.tokenizer()

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text, not padded."""
        return self._tokens.encode(texts, overlap)

    def limited(self, max_tokens: int) -> Tokenization:
        """The model's tokenization, truncated at fewer tokens."""
        return self._tokens.limited(max_tokens)

    def padded(self, batch: Sequence[Window]) -> dict[str, Any]:
        """The network's inputs by their names, int64 of shape (len(batch), longest)."""
        return self._tokens.padded(batch)

    def forward(self, batch: Sequence[Window]) -> Any:
        """One output per window; float32 of shape (len(batch), …), or a list where a window has parts."""
        return self.run(batch, {})

    def run(self, batch: Sequence[Window], others: Mapping[str, Any]) -> Any:
        """As `forward`, with further inputs of the graph by their names."""
        inputs = {**self.padded(batch), **others}
        if any(window.parts for window in batch):
            return pooled(batch, *self._session.run([self._output, _STATES], inputs))
        return self._session.run([self._output], inputs)[0]

    def token_states(self, text: str) -> list[TokenStates] | None:
        """Of each window of the text what the last layer makes of its tokens; None where the graph does not show it."""
        if not self.pools_parts:
            return None
        encoding = self.tokenizer.encode(text)
        states = []
        for window, part in zip(self.encode([text])[0], (encoding, *encoding.overflowing), strict=True):
            (vectors,) = self._session.run([_STATES], self.padded([window]))
            places = zip(part.offsets, part.special_tokens_mask, strict=True)
            states.append(TokenStates(vectors[0], [None if special else span for span, special in places]))
        return states


class SmallOnnxModel(OnnxModel):
    """A model whose threads read texts of their own, rather than parts of each product.

    Threads that share a small product wait for each other longer than they work: beside busy cores one thread reads a
    single text in two thirds of the time of two, and many texts take as long either way.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        super().__init__(folder, threads=1)
        self._count = min(threads, _MOST_PARTS)
        self.batch_tokens = OnnxModel.batch_tokens * self._count
        self._threads = ThreadPoolExecutor(self._count)
        # They start now, while a backend that runs models itself has its signals blocked, and not with the first batch.
        started = threading.Barrier(self._count + 1)
        for _ in range(self._count):
            self._threads.submit(started.wait)
        started.wait()

    def run(self, batch: Sequence[Window], others: Mapping[str, Any]) -> Any:
        """One output per window; float32 of shape (len(batch), …), or a list of arrays of several lengths."""
        count = min(self._count, len(batch), sum(window.cost for window in batch) // _LEAST_PART)
        if count < 2:
            return super().run(batch, others)
        size = -(-len(batch) // count)
        parts = [batch[start : start + size] for start in range(0, len(batch), size)]
        outputs = list(self._threads.map(super().run, parts, itertools.repeat(others)))
        if all(getattr(output, "ndim", 0) == 2 for output in outputs):
            return np.concatenate(outputs)
        return [row for output in outputs for row in output]
