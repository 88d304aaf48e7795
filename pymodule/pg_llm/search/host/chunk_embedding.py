"""The task `chunk_embedding`: vectors of chunks, and of those of their sentences that are on another subject.

What one sentence says among others on another subject weighs little in the vector of its chunk. Such sentences are
found by late chunking (Günther and others 2024), the mean of a sentence's token states within its chunk, and have a
vector of their own, by which their chunk is found (small-to-big retrieval). An input is a JSON array: what stands
before the chunk, the chunk, and what stands behind it. Option: `sentences`, `outlying` or `all`.
"""

from __future__ import annotations

import itertools
import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from pg_llm.models.engine import EmbeddingEngine, Engine, Pooled, Span, Window, pools_parts
from pg_llm.search.host import sentences
from pg_llm.search.host.embedding import literal
from pg_llm.tasks import Steps, WorkItem, batching, passages, stepwise
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

# A chunk of fewer sentences has no vectors but its own.
_FEWEST = 3
# A sentence of fewer tokens, special ones not counted, is a heading or a fragment. Chosen on a set of ours.
_LEAST_TOKENS = 6
# Sentences on sixteen subjects: what one of them has in common with all together is what a sentence on another subject
# has in common with its chunk, by the measure of each model.
_UNRELATED = (
    "The train to the coast was two hours late.",
    "Add a pinch of salt to the boiling water.",
    "The court rejected the appeal of the tenant.",
    "Bees find their way home by the position of the sun.",
    "The printer reports that its paper tray is empty.",
    "She won the final in three sets.",
    "Interest rates were raised by a quarter of a point.",
    "The cathedral was built of red sandstone.",
    "Vaccines train the immune system without causing the disease.",
    "The password must have at least twelve characters.",
    "His third novel was translated into nine languages.",
    "Heavy rain is expected in the north tomorrow.",
    "The band played their old songs until midnight.",
    "Cut the branches back before the first frost.",
    "The treaty was signed by six countries in spring.",
    "This engine burns less fuel at high speed.",
)

_cache = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """The result is a JSON object: `embedding`, and `sentences`, each with start and end in the chunk and a vector."""
    prompt = cast(EmbeddingEngine, model).prompts.get("document", "")
    parts = [json.loads(text) for text in inputs]
    windows = passages.first_windows(model, [prompt + "".join(part) for part in parts])
    embed = _METHODS[options["sentences"]]
    works = []
    for (before, chunk, _), window in zip(parts, windows, strict=True):
        # A whole document may be a chunk, and be longer than any model reads.
        ranges = sentences.ranges(chunk[: passages.MAX_LENGTH])
        if len(ranges) < _FEWEST:
            works.append(WorkItem([window], lambda outputs: _result(outputs[0], [], [])))
        else:
            works.append(stepwise(embed(model, window, len(prompt) + len(before), chunk, ranges)))
    return works


def _all_sentences(model: Engine, window: Window, start: int, chunk: str, ranges: Sequence[Span]) -> Steps:
    vector, *others = yield [window, *_alone(model, chunk, ranges)]
    return _result(vector, ranges, others)


def _outlying_sentences(model: Engine, window: Window, start: int, chunk: str, ranges: Sequence[Span]) -> Steps:
    tokens = _token_ranges(model, window, [(start + first, start + last) for first, last in ranges])
    long_ones = [number for number, (first, last) in enumerate(tokens) if last - first >= _LEAST_TOKENS]
    if not pools_parts(model) or not long_ones:
        (vector,) = yield [window]
        return _result(vector, [], [])
    least = _cache.get(model, "similarity of unrelated sentences", lambda: _similarity_of_unrelated(model))
    (pooled,) = yield [_asked(window, (tokens[0][0], tokens[-1][1]), [tokens[number] for number in long_ones])]
    chosen = [
        ranges[number]
        for number, similarity in zip(long_ones, _similarities(pooled), strict=True)
        if similarity < least
    ]
    others = (yield _alone(model, chunk, chosen)) if chosen else []
    return _result(pooled.vector, chosen, others)


_METHODS = {"all": _all_sentences, "outlying": _outlying_sentences}


def _alone(model: Engine, chunk: str, ranges: Sequence[Span]) -> list[Window]:
    prompt = cast(EmbeddingEngine, model).prompts.get("document", "")
    return passages.first_windows(model, [prompt + chunk[slice(*place)] for place in ranges])


def _token_ranges(model: Engine, window: Window, ranges: Sequence[Span]) -> list[Span]:
    """The tokens of these ranges of characters; none of one that lies beyond the window."""
    words = [(span[0], token) for token, span in enumerate(window.spans) if span is not None]
    if not words:
        return [(0, 0)] * len(ranges)
    # Special tokens stand before the first word and after the last.
    special = _cache.get(model, "special tokens", lambda: model.encode([""])[0][0].cost)
    starts = [word[0] for word in words]
    tokens = [*(word[1] for word in words), window.cost - max(0, special - words[0][1])]
    # Some tokenizers take the space before a word for a part of it.
    begins = [ranges[0][0], *(last for _, last in ranges[:-1])]
    ends = [last for _, last in ranges]
    return [
        (tokens[bisect_left(starts, begin)], tokens[bisect_left(starts, end)])
        for begin, end in zip(begins, ends, strict=True)
    ]


def _asked(window: Window, whole: Span, parts: Sequence[Span]) -> Window:
    """The window with the question for these parts, after that for the whole."""
    return replace(window, parts=[whole, *parts])


def _similarities(pooled: Pooled) -> Any:
    """The cosine of each part and the whole."""
    whole, *parts = pooled.parts
    return np.stack(parts) @ whole


def _similarity_of_unrelated(model: Engine) -> float:
    text = " ".join(_UNRELATED)
    ends = list(itertools.accumulate(len(sentence) + 1 for sentence in _UNRELATED))
    (window,) = passages.first_windows(model, [text])
    tokens = _token_ranges(model, window, list(itertools.pairwise([0, *ends])))
    parts = [part for part in tokens if part[0] < part[1]]
    (pooled,) = batching.outputs(model, [_asked(window, (parts[0][0], parts[-1][1]), parts)])
    return float(np.mean(_similarities(pooled)))


def _result(vector: Any, ranges: Sequence[Span], others: Sequence[Any]) -> str:
    found = [[*place, literal([own])] for place, own in zip(ranges, others, strict=True)]
    return json.dumps({"embedding": literal([vector]), "sentences": found})
