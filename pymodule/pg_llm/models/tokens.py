"""Tokenization into overlapping windows, and padding, for every engine that runs a transformer."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from pg_llm.models.engine import Span, Text, Window

# A query's share of a window.
_QUERY_SHARE = 0.5
# Characters of a query that are tokenized for each token of its share.
_CHARACTERS_PER_TOKEN = 16


class Tokenization:
    """A tokenizer that truncates at its model's longest input; safe to use from several threads."""

    # Which text of a pair is cut into windows.
    _truncated = "only_first"

    def __init__(self, serialized: str, inputs: Sequence[str], max_tokens: int, pad_id: int) -> None:
        self._serialized = serialized
        self._inputs = inputs
        self._max_tokens = max_tokens
        self._pad_id = pad_id
        self._lock = threading.Lock()
        self._tokenizers: dict[int, Tokenizer] = {}
        self._shorter: dict[int, Tokenization] = {}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text; of a pair the second text stands in every window."""
        return [
            [_window(part) for part in (encoding, *encoding.overflowing)]
            for encoding in self.tokenizer(overlap).encode_batch(list(texts))
        ]

    def limited(self, max_tokens: int) -> Tokenization:
        """The same tokenization, truncated at fewer tokens."""
        if max_tokens >= self._max_tokens:
            return self
        with self._lock:
            if max_tokens not in self._shorter:
                self._shorter[max_tokens] = type(self)(self._serialized, self._inputs, max_tokens, self._pad_id)
            return self._shorter[max_tokens]

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

    def tokenizer(self, overlap: int = 0) -> Tokenizer:
        """The tokenizer that truncates, and whose overflowing windows share `overlap` tokens."""
        with self._lock:
            if overlap not in self._tokenizers:
                # Truncation is a state of the tokenizer, so each overlap has a tokenizer of its own.
                tokenizer = Tokenizer.from_str(self._serialized)
                tokenizer.no_padding()
                stride = min(overlap, self._max_tokens // 4)
                tokenizer.enable_truncation(self._max_tokens, stride=stride, strategy=self._truncated)
                self._tokenizers[overlap] = tokenizer
            return self._tokenizers[overlap]


class QueryTokenization(Tokenization):
    """Tokenizes pairs of a query and a text, in this order: the query stands in every window of the text.

    A query that is longer than half a window is truncated to it.
    """

    _truncated = "only_second"
    _query_tokenizer: Tokenizer | None = None

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each pair; a text alone is paired with the empty query."""
        pairs = [("", text) if isinstance(text, str) else text for text in texts]
        queries = {query: self._truncate(query) for query, _ in pairs}
        return super().encode([(queries[query], text) for query, text in pairs], overlap)

    def _truncate(self, query: str) -> str:
        most = int(_QUERY_SHARE * self._max_tokens)
        with self._lock:
            if self._query_tokenizer is None:
                self._query_tokenizer = Tokenizer.from_str(self._serialized)
                self._query_tokenizer.no_padding()
                self._query_tokenizer.enable_truncation(most)
        # A query may be megabytes long, and its beginning is all that counts.
        query = query[: _CHARACTERS_PER_TOKEN * most]
        offsets = self._query_tokenizer.encode(query, add_special_tokens=False).offsets
        return query[: offsets[-1][1]] if len(offsets) == most else query


def for_task(task: str, serialized: str, inputs: Sequence[str], max_tokens: int, pad_id: int) -> Tokenization:
    """The tokenizer as a model of that task reads pairs."""
    kind = QueryTokenization if task == "ranking" else Tokenization
    return kind(serialized, inputs, max_tokens, pad_id)


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
