"""What a relation of a graph probably leads to.

An input is a JSON list of entity, predicate, 0 for objects or 1 for subjects, and the entities that are left out; the
result is a JSON list of the k likeliest entities and their probabilities, or null for what the model does not know.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.models.graph import GraphModel
from pg_llm.tasks import WorkItem


def prepare(model: GraphModel, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One list per question."""
    asked = [json.loads(text) for text in inputs]
    windows = model.encode([json.dumps(each[:3]) for each in asked])

    return [
        WorkItem(window, functools.partial(_best, model, each[3], options["k"]))
        for window, each in zip(windows, asked, strict=True)
    ]


def _best(model: GraphModel, without: Sequence[int], k: int, outputs: Sequence[Any]) -> str:
    if not outputs:
        return "null"
    chances = np.where(np.isin(model.ids, without), 0.0, outputs[0])
    order = np.argsort(-chances, kind="stable")[:k]
    return json.dumps([[int(model.ids[row]), float(chances[row])] for row in order if chances[row] > 0])
