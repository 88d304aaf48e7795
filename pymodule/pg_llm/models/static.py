"""Static embeddings: a text is the mean of its tokens' vectors, as model2vec has it (van Dongen and Tulkens 2024)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Encoding, Tokenizer

from pg_llm.errors import InvalidModel
from pg_llm.models.engine import Text, TokenStates, Window
from pg_llm.models.word_pieces import WordPieces

# Tokens that are read of a text at most, as in model2vec.
MAX_TOKENS = 512


class StaticModel:
    """A table of vectors, one per token; tokens that the tokenizer does not know count for nothing."""

    task = "embedding"
    engine = "static"
    device = "cpu"
    # A batch takes milliseconds.
    batch_tokens = 1 << 16

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokens = 1 + max(self._tokenizer.get_vocab().values(), default=0)
        self._table = table = _table(load_file(folder / "model.safetensors"), tokens)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._unknown = unknown_token(self._tokenizer)
        self._words = WordPieces(self._tokenizer)
        self.prompts: dict[str, str] = {}
        self.bytes = int(table.nbytes)
        self.details: dict[str, Any] = {"dimensions": int(table.shape[1])}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text, without an overlap."""
        known = [self._words.tokens(text, MAX_TOKENS) if isinstance(text, str) else None for text in texts]
        unknown = [text for text, tokens in zip(texts, known, strict=True) if tokens is None]
        others = iter(self._tokenizer.encode_batch_fast(unknown, add_special_tokens=False) if unknown else ())
        return [
            [self._window(part) for part in (_parts(next(others)) if tokens is None else [tokens])] for tokens in known
        ]

    def forward(self, batch: Sequence[Window]) -> Any:
        """One unit vector per window, zeros for one without a known token."""
        sums = np.zeros((len(batch), self._table.shape[1]), dtype=np.float32)
        # One by one: a third of the time of np.add.reduceat on all together.
        for window, total in zip(batch, sums, strict=True):
            if window.tokens:
                np.add.reduce(self._table.take(window.tokens, axis=0), axis=0, out=total)
        return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)

    def token_states(self, text: str) -> list[TokenStates]:
        """Of each window of the text the vectors of its known tokens."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        states = []
        for part in (encoding, *encoding.overflowing):
            known = [place for place, number in enumerate(part.ids) if number != self._unknown]
            ids = [part.ids[place] for place in known]
            states.append(TokenStates(self._table[ids], [part.offsets[place] for place in known]))
        return states

    def _window(self, ids: list[int]) -> Window:
        known = [number for number in ids if number != self._unknown] if self._unknown in ids else ids
        return Window(known, max(1, len(known)))


def _parts(encoding: Encoding) -> list[list[int]]:
    return [part.ids for part in (encoding, *encoding.overflowing)]


def _table(tensors: dict[str, Any], tokens: int) -> Any:
    """The vector of each token, float32. Raises InvalidModel for a file that does not fit the tokenizer."""
    vectors = tensors.get("embeddings", np.empty(0))
    if vectors.ndim != 2:
        raise InvalidModel("the file model.safetensors has no embeddings", hint="Train or copy it again.")
    # A published model may share vectors among tokens, and keep the weights of tokens apart.
    mapping = tensors.get("mapping", np.arange(len(vectors)))
    weights = tensors.get("weights", np.ones(len(mapping)))
    # A few bytes of a mapping could stand for all memory.
    fits = tokens <= len(mapping) == len(weights) and len(mapping) <= max(2 * tokens, len(vectors))
    if not fits or mapping.min(initial=0) < 0 or mapping.max(initial=0) >= len(vectors):
        raise InvalidModel(
            f"the file model.safetensors has vectors for {len(mapping)} tokens, and the tokenizer has {tokens}",
            hint="Train or copy both again.",
        )
    table = vectors.astype(np.float32)
    if "mapping" in tensors:
        table = table[mapping]
    if "weights" in tensors:
        table *= weights.astype(np.float32)[:, None]
    return table


def unknown_token(tokenizer: Tokenizer) -> int | None:
    """The number of the token that stands for all that the tokenizer does not know."""
    model = json.loads(tokenizer.to_str())["model"]
    token = model.get("unk_token")
    return tokenizer.token_to_id(token) if token else model.get("unk_id")
