"""Distillation of an encoder into static embeddings: one vector for each token of its vocabulary.

Each token is embedded by itself, and weighted by how rare Zipf's law has it (SIF, Arora and others 2017; Model2Vec, van
Dongen and Tulkens 2024). With texts, ridge regression moves the vectors so that the weighted mean of a text's tokens is
what the encoder makes of the text. Their principal components are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy import sparse
from tokenizers import Tokenizer

from pg_llm.errors import InvalidInput
from pg_llm.models import loading, source
from pg_llm.models.engine import Window
from pg_llm.models.onnx import OnnxModel
from pg_llm.models.spec import ModelSpec
from pg_llm.models.static import MAX_TOKENS, unknown_token
from pg_llm.runtime.training import dataset
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.tasks import batching

# Weight of a token of probability p: a / (a + p).
_SIF: Final = 1e-4
# Sentences that are fitted to at most, that choose among the penalties, and that the result is measured on.
_FITTED, _KEPT_BACK = 3500, 500
_LEAST: Final = 200
# Of the regression, as shares of what a text weighs in it.
_PENALTIES: Final = (0.01, 0.03, 0.1, 0.3, 1.0)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")  # noqa: RUF001 - Chinese
_SHORTEST: Final = 15
# What the table of a network's tokens is called.
_TABLES: Final = ("word_embeddings.weight", "embed_tokens.weight")


def run(job: dict[str, Any], rows: list[Example], folder: Path, report: Report) -> dict[str, Any]:
    """Save a model2vec folder; returns its size, and with texts how well similarities agree on texts kept back."""
    encoder = _Encoder(_load(job["base"]), report)
    vectors = encoder.token_vectors()
    weights = _zipf_weights(len(vectors))
    vectors -= vectors.mean(axis=0)
    metrics: dict[str, Any] = {}
    if rows:
        vectors, metrics = _fit(encoder, vectors, weights, rows, report)
    table = _principal_components(vectors, job["options"]["dimensions"]) * weights[:, None]
    save(folder, table.astype(np.float16), encoder.tokenizer)
    return {"tokens": len(table), "dimensions": int(table.shape[1]), **metrics}


def _load(wire: dict[str, Any]) -> OnnxModel:
    spec = ModelSpec.from_wire(wire)
    # Its graph is fed with single tokens, which only the engine of the CPU is ready for.
    model = loading.load(replace(spec, options={**spec.options, "engine": "onnx", "device": "cpu"}), 0, _refuse_base)
    if not isinstance(model, OnnxModel):
        raise InvalidInput(
            f'model "{spec.name}" has no vocabulary that could be embedded', hint="Choose a transformer as base."
        )
    return model


def _refuse_base(spec: ModelSpec) -> Any:
    raise InvalidInput(f'the embedding model "{spec.name}" builds on another model')


class _Encoder:
    """The model that is distilled, and its tokenizer without special tokens or an end."""

    def __init__(self, model: OnnxModel, report: Report) -> None:
        self._model = model
        self._report = report
        self.tokenizer = Tokenizer.from_str(model.tokenizer.to_str())
        self.tokenizer.no_truncation()
        self._unknown = unknown_token(self.tokenizer)

    def token_vectors(self) -> Any:
        """The embedding of each token between the special tokens of a text."""
        probe = self.tokenizer.encode("text")
        special = np.asarray(probe.special_tokens_mask, dtype=bool)
        first, last = int(np.argmin(special)), len(special) - int(np.argmin(special[::-1]))
        before, after = probe.ids[:first], probe.ids[last:]
        size = self.tokenizer.get_vocab_size()
        sequences = ([*before, number, *after] for number in range(size))
        return self._forward([Window((ids, [0] * len(ids)), len(ids)) for ids in sequences])

    def text_vectors(self, texts: Sequence[str]) -> Any:
        """The embeddings of texts."""
        return self._forward([windows[0] for windows in self._model.encode(texts)])

    def token_means(self, texts: Sequence[str], weights: Any) -> Any:
        """For each text the weight of each token in the mean of its tokens, sparse."""
        rows, columns = [], []
        for row, encoding in enumerate(self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)):
            ids = [number for number in encoding.ids if number != self._unknown][:MAX_TOKENS]
            rows += [row] * len(ids)
            columns += ids
        counts = np.maximum(np.bincount(rows, minlength=len(texts)), 1)
        values = weights[columns] / counts[rows]
        return sparse.csr_matrix((values, (rows, columns)), (len(texts), len(weights)))

    def _forward(self, windows: Sequence[Window]) -> Any:
        done = 0

        def run(batch: Sequence[Window]) -> Any:
            nonlocal done
            done += len(batch)
            self._report("embedding", done, len(windows))
            return self._model.forward(batch)

        return np.asarray(batching.forward(run, windows, self._model.batch_tokens, lambda: None), dtype=np.float64)


def _zipf_weights(size: int) -> Any:
    """SIF weights of tokens whose numbers are their ranks by frequency, as a vocabulary has them about."""
    frequencies = 1 / np.arange(2, size + 2)
    return _SIF / (_SIF + frequencies / frequencies.sum())


def _fit(
    encoder: _Encoder, vectors: Any, weights: Any, rows: Sequence[Example], report: Report
) -> tuple[Any, dict[str, Any]]:
    """The vectors moved towards the texts' embeddings; the penalty is chosen on texts that are not measured on."""
    training, others = dataset.split(rows, 0.2)
    fitted = sentences(training, _FITTED)
    kept_back = sentences(others, 2 * _KEPT_BACK)
    if len(fitted) + len(kept_back) < _LEAST:
        raise InvalidInput(
            f"the query yields {len(fitted) + len(kept_back)} sentences, too few to fit {len(vectors)} vectors to",
            hint=f"Give {_LEAST} at least, or leave vocabulary_query out.",
        )
    choosing, measuring = kept_back[::2], kept_back[1::2]
    targets = encoder.text_vectors([*fitted, *choosing, *measuring])
    inputs = encoder.token_means([*fitted, *choosing, *measuring], weights)
    end = len(fitted)
    chosen, tested = slice(end, end + len(choosing)), slice(end + len(choosing), None)
    ridge = _Ridge(inputs[:end], targets[:end], vectors)
    candidates: list[tuple[float, Any]] = []
    for penalty in _PENALTIES:
        report("fitting", len(candidates), len(_PENALTIES))
        moved = ridge.solve(penalty)
        candidates.append((agreement(inputs[chosen] @ moved, targets[chosen]), moved))
    _, best = max(candidates, key=lambda candidate: candidate[0])
    metrics = {
        "sentences": end,
        "agreement": round(agreement(inputs[tested] @ best, targets[tested]), 3),
        "agreement_before": round(agreement(inputs[tested] @ vectors, targets[tested]), 3),
    }
    return best, metrics


class _Ridge:
    """Ridge regression towards given vectors, by its dual: as many equations as texts, not as tokens."""

    def __init__(self, inputs: Any, targets: Any, vectors: Any) -> None:
        means = inputs @ vectors
        self._start = vectors * ((means * targets).sum() / (means * means).sum())
        self._inputs = inputs
        self._residuals = targets - inputs @ self._start
        self._kernel = (inputs @ inputs.T).toarray()

    def solve(self, penalty: float) -> Any:
        """The vectors of least squared error and distance from where they started."""
        system = self._kernel + penalty * self._kernel.trace() / len(self._kernel) * np.eye(len(self._kernel))
        return self._start + self._inputs.T @ np.linalg.solve(system, self._residuals)


def sentences(rows: Sequence[Example], most: int) -> list[str]:
    """Distinct sentences of the texts, a random choice of them."""
    found = sorted({sentence for row in rows for sentence in _split(row.text)})
    order = np.random.default_rng(0).permutation(len(found))[:most]
    return [found[place] for place in order]


def _split(text: str) -> Iterator[str]:
    return (part.strip() for part in _SENTENCE_END.split(text) if len(part.strip()) >= _SHORTEST)


def agreement(found: Any, wanted: Any) -> float:
    """The correlation of the similarities of all pairs by both models."""
    upper = np.triu_indices(len(found), 1)
    units = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (found, wanted)]
    return float(np.corrcoef(*((rows @ rows.T)[upper] for rows in units))[0, 1])


def _principal_components(vectors: Any, dimensions: int) -> Any:
    """The vectors along the directions in which they differ most."""
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    return vectors @ directions[:, ::-1][:, :dimensions]


def input_vectors(spec: ModelSpec, dimensions: int) -> tuple[Any, Tokenizer]:
    """The principal components of the vectors that a model's own network has of its tokens, and its tokenizer.

    Weighted as those of static embeddings. Raises InvalidInput for a model without such a table.
    """
    folder = source.folder(ModelSpec.from_wire(spec.base) if spec.base else spec)
    for file in sorted(folder.rglob("*.safetensors")):
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no mapping
                if name.endswith(_TABLES):
                    vectors = tensors.get_tensor(name).astype(np.float64)
                    vectors -= vectors.mean(axis=0)
                    table = _principal_components(vectors, dimensions)
                    return table * _zipf_weights(len(table))[:, None], _tokenizer(folder)
    raise InvalidInput(f'model "{spec.name}" has no table of vectors', hint="Choose a transformer as base.")


def _tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model without special tokens or an end."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def save(folder: Path, table: Any, tokenizer: Tokenizer) -> None:
    """Write a folder as model2vec has it."""
    save_file({"embeddings": np.ascontiguousarray(table)}, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "hidden_dim": int(table.shape[1]),
        "normalize": True,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
