"""The task `text_vectors`: what a head reads of a text, the mean of its windows' embeddings at length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem, passages, stepwise


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One JSON array of numbers per input."""
    return [stepwise(steps) for steps in passages.average_outputs(model, inputs, _literal)]


def _literal(mean: Any) -> str:
    import orjson

    unit = np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)
    return orjson.dumps(unit, option=orjson.OPT_SERIALIZE_NUMPY).decode("ascii")
