"""A classifier without a network: the mean of its tokens' vectors, and a linear layer on its direction.

Vectors and layer are learnt together from what a teacher says of texts (fastText: Joulin and others 2017; Model2Vec's
classifiers: van Dongen and Tulkens 2024). The vectors begin as the principal components of the teacher's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer

from pg_llm.models.static import MAX_TOKENS, unknown_token
from pg_llm.runtime.training.report import Report

_BATCH: Final = 32
_LEARNING_RATE: Final = 3e-3
# Shares of a text's tokens that it is learnt without, so that no word alone decides.
_DROPPED: Final = 0.2
_STEPS: Final = 600
# Logits of unit vectors: as steep as a layer begins.
_SCALE: Final = 10.0


class StaticClassifier:
    """A table of vectors, and weights and bias of each label."""

    def __init__(self, table: Any, tokenizer: Tokenizer, labels: int, seed: int) -> None:
        torch.manual_seed(seed)
        self._generator = np.random.default_rng(seed)
        self._tokenizer = tokenizer
        self._unknown = unknown_token(tokenizer)
        self._table = np.array(table, dtype=np.float32)
        self._layer = torch.nn.Linear(table.shape[1], labels)
        with torch.no_grad():
            self._layer.weight.mul_(_SCALE)

    def learn(self, texts: Sequence[str], targets: Any, report: Report, *, multi_label: bool) -> None:
        """Learn the probabilities of the labels: an array with a row for each text."""
        tokens, known = self._tokens(texts)
        # Vectors of other tokens stay as they are, and cost no time.
        vectors = torch.from_numpy(self._table[known])
        bag = torch.nn.EmbeddingBag.from_pretrained(vectors, freeze=False, mode="mean")
        rows = np.array([place for place, ids in enumerate(tokens) if len(ids)])
        wanted = torch.from_numpy(np.asarray(targets, dtype=np.float32))
        optimizer = torch.optim.Adam(
            [{"params": bag.parameters(), "lr": _LEARNING_RATE}, {"params": self._layer.parameters(), "lr": 1e-2}]
        )
        loss_of = (
            torch.nn.functional.binary_cross_entropy_with_logits if multi_label else torch.nn.functional.cross_entropy
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / _STEPS)
        for step in range(_STEPS):
            report("distilling", step, _STEPS)
            batch = self._generator.choice(rows, min(_BATCH, len(rows)), replace=False)
            optimizer.zero_grad()
            loss_of(self._logits(bag, [self._thinned(tokens[place]) for place in batch]), wanted[batch]).backward()  # type: ignore[no-untyped-call]  # of torch
            optimizer.step()
            schedule.step()
        self._table[known] = bag.weight.detach().numpy()
        report("distilling", _STEPS, _STEPS)

    def tensors(self) -> tuple[Any, Any, Any]:
        """The table, the weights of shape (labels, dimensions), and the bias."""
        return self._table, self._layer.weight.detach().numpy(), self._layer.bias.detach().numpy()

    def _logits(self, bag: torch.nn.EmbeddingBag, tokens: Sequence[Any]) -> torch.Tensor:
        starts = np.cumsum([0, *(len(ids) for ids in tokens[:-1])])
        means = bag(torch.from_numpy(np.concatenate(tokens)), torch.from_numpy(starts))
        logits: torch.Tensor = self._layer(torch.nn.functional.normalize(means, dim=-1))
        return logits

    def _tokens(self, texts: Sequence[str]) -> tuple[list[Any], Any]:
        """Of each text the places of its first known tokens in a list of those that there are, and that list."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ids = [[number for number in encoding.ids if number != self._unknown][:MAX_TOKENS] for encoding in encodings]
        known, places = np.unique(np.concatenate([np.asarray(row, dtype=np.int64) for row in ids]), return_inverse=True)
        return np.split(places, np.cumsum([len(row) for row in ids[:-1]])), known

    def _thinned(self, places: Any) -> Any:
        """A random choice of a text's tokens, one at the least."""
        kept = self._generator.random(len(places)) >= _DROPPED
        return places[kept] if kept.any() else places[:1]
