"""The task `recommendation`: sequences of items to the vector of the next item, or the metrics of the validation.

An input is a JSON list of item numbers; the result is a vector as pgvector writes it. With option `k` the inputs are
ignored: the result is a JSON object of the metrics of lists of that length.
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
    """One vector per sequence, or the metrics."""
    if options["k"] is not None:
        validation = cast(RecommenderModel, model).validation
        return [WorkItem((), lambda _: json.dumps(metrics.by_method(validation, options["k"]))) for _ in inputs]
    return [WorkItem(windows, embedding.literal) for windows in model.encode(inputs)]
