"""Texts to the named things in them: a JSON list of [label, start, end, score], positions from 0, the end excluded.

Option `labels`, a list of [name, description or null], restricts the result to some of the model's labels.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.classify.host import bio_tags, labels
from pg_llm.models.engine import Engine, Span, Window
from pg_llm.tasks import Steps, WorkItem, probability, stepwise
from pg_llm.tasks import passages as _passages

# Words that neighbouring windows of a passage share, in tokens.
_OVERLAP = 32

Entity = tuple[str, int, int, float]


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One piece of work per text; a long text is read in passages, and these in windows that overlap."""
    tags: list[str] | None = model.details.get("tags")
    wanted = set(labels.wanted(model, options))

    cut = _passages.encode(model, inputs, _OVERLAP)
    return [stepwise(_read(text, passages, tags, wanted)) for text, passages in zip(inputs, cut, strict=True)]


def _read(text: str, passages: _passages.Passages, tags: list[str] | None, wanted: set[str]) -> Steps:
    """Those of the wanted labels, as JSON: text that is joined, so that no list of all is ever made."""
    written = []
    for offset, windows in passages:
        outputs = yield windows
        found = itertools.chain.from_iterable(outputs) if tags is None else _tagged(windows, outputs, tags)
        for label, first, last, score in found:
            start, end = first + offset, last + offset
            # SentencePiece counts the space before a word to it.
            start += len(text[start:end]) - len(text[start:end].lstrip())
            if label in wanted and start < end:
                written.append(json.dumps([label, start, end, round(float(score), 6)], ensure_ascii=False))
    return f"[{', '.join(written)}]"


def _tagged(windows: Sequence[Window], outputs: Sequence[Any], tags: Sequence[str]) -> list[Entity]:
    """The entities of a model that tags words; each is judged in the window in which it is furthest from an edge."""
    judged: dict[Span, tuple[int, Any]] = {}
    for window, output in zip(windows, outputs, strict=True):
        for position, span in enumerate(window.spans):
            room = min(position, window.cost - 1 - position)
            if span and room > judged.get(span, (-1, None))[0]:
                judged[span] = (room, output[position])
    words = sorted(judged)
    if not words:
        return []
    chances = probability.softmax(np.asarray([judged[word][1] for word in words]))
    best = chances.argmax(axis=-1)
    sure = chances[np.arange(len(words)), best]
    found = []
    row = 0
    for label, start, end in bio_tags.decode([tags[number] for number in best], words):
        while words[row][0] < start:
            row += 1
        last = row
        while last < len(words) and words[last][1] <= end:
            last += 1
        found.append((label, start, end, float(sure[row:last].min())))
    return found
