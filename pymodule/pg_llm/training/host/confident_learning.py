"""Label errors by confident learning (Northcutt 2021, in the cleanlab library)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from pg_llm.runtime.training.dataset import Example


def find_label_issues(vectors: Any, examples: Sequence[Example], seed: int) -> list[dict[str, Any]]:
    """The rows whose label is probably wrong, most doubtful first: position, suggestion, quality from 0 to 1.

    Each row is judged by a classifier that has not seen it (cross-validation).
    """
    from cleanlab import filter as cleanlab_filter
    from cleanlab.rank import get_label_quality_scores

    labels, given = np.unique([example.truth for example in examples], return_inverse=True)
    rarest = int(np.bincount(given).min())
    folds = StratifiedKFold(min(5, rarest), shuffle=True, random_state=seed)
    model = LogisticRegression(C=10.0, max_iter=2000)
    probabilities = cross_val_predict(model, vectors, given, cv=folds, method="predict_proba")
    quality = get_label_quality_scores(given, probabilities)
    rows = cleanlab_filter.find_label_issues(given, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [
        {"position": int(row), "suggested": str(labels[probabilities[row].argmax()]), "quality": float(quality[row])}
        for row in rows
    ]
