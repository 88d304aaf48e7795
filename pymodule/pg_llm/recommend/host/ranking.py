"""Sequences of items to what comes next.

An input is a JSON list of item numbers; the result is a vector as pgvector writes it. With option `k` the inputs do not
matter: the result is a JSON object of what was measured with lists of that length.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from pg_llm.models.engine import Engine
from pg_llm.models.recommender import RecommenderModel
from pg_llm.recommend.host import metrics
from pg_llm.search.host import embedding
from pg_llm.tasks import WorkItem


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One vector per sequence, or the measures."""
    if options["k"] is not None:
        kept = cast(RecommenderModel, model).validation
        return [WorkItem((), lambda _: json.dumps(metrics.metrics(kept, options["k"]))) for _ in inputs]
    return [WorkItem(windows, embedding.literal) for windows in model.encode(inputs)]
