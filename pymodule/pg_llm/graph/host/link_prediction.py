"""The task `graph_prediction`: a knowledge graph embedding ranks the objects, or the subjects, of a relation.

An input is a JSON list of entity, predicate, 0 for objects or 1 for subjects, and a list of entities to leave out; the
result is a JSON list of the k likeliest entities with their probabilities, or null for an unknown entity or predicate.
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
    """One piece of work per question."""
    questions = [json.loads(text) for text in inputs]
    windows = model.encode([json.dumps(question[:3]) for question in questions])
    return [
        WorkItem(window, functools.partial(_rank, model, question[3], options["k"]))
        for window, question in zip(windows, questions, strict=True)
    ]


def _rank(model: GraphModel, excluded: Sequence[int], k: int, outputs: Sequence[Any]) -> str:
    if not outputs:
        return "null"
    probabilities = np.where(np.isin(model.ids, excluded), 0.0, outputs[0])
    order = np.argsort(-probabilities, kind="stable")[:k]
    return json.dumps([[int(model.ids[row]), float(probabilities[row])] for row in order if probabilities[row] > 0])
