"""Tokenization into overlapping windows, and padding, for every engine that runs a transformer."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from pg_llm.models.engine import Span, Text, Window


class Tokenization:
    """A tokenizer that truncates at its model's longest input; safe to use from several threads."""

    def __init__(self, serialized: str, inputs: Sequence[str], max_tokens: int, pad_id: int) -> None:
        self._serialized = serialized
        self._inputs = inputs
        self._max_tokens = max_tokens
        self._pad_id = pad_id
        self._lock = threading.Lock()
        self._tokenizers: dict[int, Tokenizer] = {}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text; of a pair the second text stands in every window."""
        return [
            [_window(part) for part in (encoding, *encoding.overflowing)]
            for encoding in self._tokenizer(overlap).encode_batch(list(texts))
        ]

    def padded(self, batch: Sequence[Window]) -> dict[str, Any]:
        """int64 arrays of shape (len(batch), longest), by the model's names for them."""
        shape = (len(batch), max(item.cost for item in batch))
        arrays = {
            "input_ids": np.full(shape, self._pad_id, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "token_type_ids": np.zeros(shape, dtype=np.int64),
        }
        for row, item in enumerate(batch):
            ids, types = item.tokens
            arrays["input_ids"][row, : item.cost] = ids
            arrays["attention_mask"][row, : item.cost] = 1
            arrays["token_type_ids"][row, : item.cost] = types
        return {name: arrays[name] for name in self._inputs}

    def _tokenizer(self, overlap: int) -> Tokenizer:
        with self._lock:
            if overlap not in self._tokenizers:
                # Truncation is a state of the tokenizer, so each overlap has a tokenizer of its own.
                tokenizer = Tokenizer.from_str(self._serialized)
                tokenizer.no_padding()
                stride = min(overlap, self._max_tokens // 4)
                tokenizer.enable_truncation(self._max_tokens, stride=stride, strategy="only_first")
                self._tokenizers[overlap] = tokenizer
            return self._tokenizers[overlap]


def _window(encoding: Encoding) -> Window:
    return Window((encoding.ids, encoding.type_ids), len(encoding.ids), _word_spans(encoding))


def _word_spans(encoding: Encoding) -> list[Span | None]:
    """For a token that begins a word the span of the whole word, None for every other token."""
    spans: list[Span | None] = []
    word, first = None, 0
    for position, (number, (start, end)) in enumerate(zip(encoding.word_ids, encoding.offsets, strict=True)):
        begins = number is not None and number != word
        spans.append((start, end) if begins else None)
        if begins:
            first = position
        elif number is not None:
            word_start = spans[first]
            assert word_start is not None
            spans[first] = (word_start[0], end)
        word = number
    return spans
