"""Texts to the named things in them: a JSON list of [label, start, end, score], positions from 0, the end excluded.

Option `labels`, a list of [name, description or null], restricts the result to some of the model's labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Encoded, Engine, Span
from pg_llm.tasks import Work, _labels, _probability, _spans

# Words that neighbouring windows of a long text share, in tokens.
_OVERLAP = 32


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[Work]:
    """One piece of work per text; a long text is read in windows that overlap."""
    tags: list[str] | None = model.details.get("tags")
    wanted = set(_labels.wanted(model, options))
    return [
        Work(windows, _Found(wanted) if tags is None else _Tagged(text, windows, tags, wanted))
        for text, windows in zip(inputs, model.encode(inputs, _OVERLAP), strict=True)
    ]


class _Found:
    """For a model that names whole entities."""

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted

    def __call__(self, outputs: Sequence[Any]) -> str:
        """Those of the wanted labels."""
        return _result(entity for found in outputs for entity in found if entity[0] in self._wanted)


class _Tagged:
    """For a model that tags words."""

    def __init__(self, text: str, windows: Sequence[Encoded], tags: Sequence[str], wanted: set[str]) -> None:
        self._text = text
        self._windows = windows
        self._tags = tags
        self._wanted = wanted

    def __call__(self, outputs: Sequence[Any]) -> str:
        """Each word is judged in the window in which it stands furthest from an edge."""
        judged: dict[Span, tuple[int, Any]] = {}
        for window, output in zip(self._windows, outputs, strict=True):
            for position, span in enumerate(window.spans):
                room = min(position, window.cost - 1 - position)
                if span and room > judged.get(span, (-1, None))[0]:
                    judged[span] = (room, output[position])
        words = sorted(judged)
        if not words:
            return "[]"
        chances = _probability.softmax(np.asarray([judged[word][1] for word in words]))
        best = chances.argmax(axis=-1)
        sure = dict(zip((start for start, _ in words), chances[np.arange(len(words)), best], strict=True))
        found = []
        for label, start, end in _spans.decode([self._tags[number] for number in best], words):
            scores = [sure[first] for first, last in words if first >= start and last <= end]
            # SentencePiece counts the space before a word to it.
            start += len(self._text[start:end]) - len(self._text[start:end].lstrip())
            if label in self._wanted and start < end:
                found.append((label, start, end, float(min(scores))))
        return _result(found)


def _result(entities: Iterable[tuple[str, int, int, float]]) -> str:
    found = [[label, start, end, round(score, 6)] for label, start, end, score in entities]
    return json.dumps(found, ensure_ascii=False)
