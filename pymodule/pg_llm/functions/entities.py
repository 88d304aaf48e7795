"""Entities: which named things a text speaks of, and where."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.functions import arguments, session
from pg_llm.functions.session import sql_function

_MODELS = ("entities",)


@sql_function
def llm_entities(
    input: str | None, labels: list[str] | None, model: str | None, threshold: float | None
) -> list[dict[str, Any]]:
    """The named things in a text, in their order: words, kind, place, and how sure the model is."""
    found = _found([input], labels, model, threshold)
    return found[0] if input is not None else []


@sql_function
def llm_entities_batch(
    inputs: list[str | None] | None, labels: list[str] | None, model: str | None, threshold: float | None
) -> list[dict[str, Any]]:
    """The named things in each text, with the text's position from 1."""
    given = arguments.texts(inputs)
    results = arguments.in_place(given, _found(given, labels, model, threshold))
    return [{"ordinality": position, **entity} for position, its in results for entity in its or ()]


def _found(
    inputs: Sequence[str | None], labels: list[str] | None, model: str | None, threshold: float | None
) -> list[list[dict[str, Any]]]:
    """The entities of each text that is not NULL."""
    least = 0.0 if threshold is None else arguments.threshold(threshold)
    wanted, able = arguments.labels(labels), session.model(model, "entities", _MODELS)
    texts = [text for text in inputs if text is not None]
    return [
        [
            {"entity": text[start:end], "label": label, "start_pos": start + 1, "end_pos": end + 1, "score": score}
            for label, start, end, score in json.loads(result)
            if score >= least
        ]
        for text, result in zip(texts, able.run("entities", texts, labels=wanted), strict=True)
    ]
