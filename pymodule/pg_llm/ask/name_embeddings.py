"""The names of tables and columns by meaning: how near they are to words of a question, by an embedding model."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence

from pg_llm.ask.grammar.meaning import Scale, dot
from pg_llm.ask.schema import Ref, Schema
from pg_llm.database.models import Model

_scales: dict[str, Scale] = {}


class Meanings:
    """Which columns and tables are near a word in meaning, by an embedding model."""

    def __init__(self, of: Schema, model: Model) -> None:
        self._schema = of
        self._model = model
        self._scale = _scale(model)

    def __call__(self, phrases: Sequence[str]) -> list[list[tuple[Ref, float]]]:
        """For each phrase the nearest, with how near on the scale of meanings."""
        names: dict[str, list[Ref]] = {}
        for t, table in enumerate(self._schema.tables):
            names.setdefault(" ".join(table.words), []).append((t, -1))
            for c, column in enumerate(table.columns):
                if not column.is_key:
                    names.setdefault(" ".join(column.words), []).append((t, c))
        names.pop("", None)
        asked = list(names)[:400]
        embedded = _embedded(self._model, [*asked, *phrases])
        found = []
        for phrase, vector in zip(phrases, embedded[len(asked) :], strict=True):
            near = []
            for name, other in zip(asked, embedded, strict=False):
                nearness = self._scale.nearness(phrase, name, dot(vector, other))
                near += [(ref, nearness) for ref in names[name]]
            found.append(sorted(near, key=lambda pair: -pair[1])[:5])
        return found


def _scale(model: Model) -> Scale:
    """The model's, measured once in a session."""
    return _scales.setdefault(json.dumps(model.wire, sort_keys=True), Scale(functools.partial(_embedded, model)))


def _embedded(model: Model, texts: Sequence[str]) -> list[list[float]]:
    return [json.loads(text) for text in model.run("embedding", texts)]
