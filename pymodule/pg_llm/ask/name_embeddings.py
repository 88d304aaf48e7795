"""Semantic schema linking: names of tables and columns that are similar to words of a question by embeddings."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence

from pg_llm.ask.schema import Ref, Schema
from pg_llm.ask.similarity_scale import SimilarityScale
from pg_llm.database.models import Model
from pg_llm.vectors import inner_product

_scales: dict[str, SimilarityScale] = {}


class NameEmbeddings:
    """Matches phrases with the names of a schema by an embedding model."""

    def __init__(self, schema: Schema, model: Model) -> None:
        self._schema = schema
        self._model = model
        self._scale = _scale_of(model)

    def __call__(self, phrases: Sequence[str]) -> list[list[tuple[Ref, float]]]:
        """For each phrase the columns and tables with the most similar names, with calibrated similarities."""
        names: dict[str, list[Ref]] = {}
        for t, table in enumerate(self._schema.tables):
            names.setdefault(" ".join(table.words), []).append((t, -1))
            for c, column in enumerate(table.columns):
                if not column.is_key:
                    names.setdefault(" ".join(column.words), []).append((t, c))
        names.pop("", None)
        texts = list(names)[:400]
        embedded = _embed(self._model, [*texts, *phrases])
        matches = []
        for phrase, vector in zip(phrases, embedded[len(texts) :], strict=True):
            scored = []
            for name, other in zip(texts, embedded, strict=False):
                nearness = self._scale.nearness(phrase, name, inner_product(vector, other))
                scored += [(ref, nearness) for ref in names[name]]
            matches.append(sorted(scored, key=lambda pair: -pair[1])[:5])
        return matches


def _scale_of(model: Model) -> SimilarityScale:
    """The calibration of a model, measured once per session."""
    return _scales.setdefault(json.dumps(model.wire, sort_keys=True), SimilarityScale(functools.partial(_embed, model)))


def _embed(model: Model, texts: Sequence[str]) -> list[list[float]]:
    return [json.loads(text) for text in model.run("embedding", texts)]
