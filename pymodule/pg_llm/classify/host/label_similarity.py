"""Cosine similarity of texts to labels by an embedding model: a JSON list of cosines, in the labels' order.

Option `labels`: a list of [name, description or null].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem, batching, passages
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

_label_vectors = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One list of numbers from -1 to 1 per text; only the first window of a long text is read."""
    labels = [f"{name}: {description}" if description else name for name, description in options["labels"]]
    vectors = _label_vectors.get(model, labels, lambda: batching.embed(model, labels))

    def cosines(outputs: Sequence[Any]) -> str:
        return json.dumps([round(float(value), 4) for value in vectors @ outputs[0]])

    return [WorkItem([window], cosines) for window in passages.first_windows(model, inputs)]
