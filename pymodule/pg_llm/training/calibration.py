"""Calibration of a classifier for conformal prediction, on labelled rows that it has not learnt from."""

from __future__ import annotations

import math
from typing import Any

from pg_llm.classify import conformal, scoring
from pg_llm.database import models, registry, search_path, training_runs
from pg_llm.database.connection import Connection
from pg_llm.errors import Error, InvalidInput
from pg_llm.training import labelled_rows

# More make no set smaller, and are kept in the registry.
MOST_ROWS = 10_000
_ALPHAS = (0.2, 0.1, 0.05, 0.01)


def calibrate(db: Connection, name: str, query: str) -> dict[str, Any]:
    """Keep with the model how little it believed in the labels of the rows; returns what sets will be like."""
    with search_path.pinned(db):
        registry.administer(db, "calibrate a model", "UPDATE")
        model = models.find(db, name, None, ("classification",))
        if not model.labels:
            raise InvalidInput(
                f'model "{model.name}" has no labels of its own', hint="Calibrate a classifier that llm_fit() made."
            )
        if training_runs.is_private(db, model.wire["digest"]):
            raise InvalidInput(
                f'model "{model.name}" was trained with privacy, and what calibration keeps of the rows has none',
                hint="Use its probabilities as they are, or calibrate a model that was trained without epsilon.",
            )
        classifier = scoring.Classifier(db, model.name, scoring.Candidates(None), multi_label=False)
    found: list[float] = []
    sizes: list[list[float]] = []
    for rows in labelled_rows.read(db, query, "classify"):
        if len(found) + len(rows) > MOST_ROWS:
            raise InvalidInput(f"the query yields more than {MOST_ROWS:,} rows", hint="That many are enough: LIMIT.")
        with search_path.pinned(db):
            scores = classifier.scores([text for text, _ in rows])
        for (_, label), row in zip(rows, scores, strict=True):
            if label not in model.labels:
                raise InvalidInput(
                    f'model "{model.name}" does not know the label "{label}"',
                    hint=f"Its labels are: {', '.join(model.labels[:20])}.",
                )
            # A blank text has no label, and no set of labels will have it.
            found.append(conformal.nonconformity(row, label) if row else 1.0)
            sizes.append(sorted(1 - value for value in (row or {}).values()))
    found.sort()
    with search_path.pinned(db):
        if not registry.set_calibration(db, model.name, model.wire["digest"], found):
            raise Error(f'model "{model.name}" was replaced meanwhile', hint="Calibrate the new one.")
    return {"model": model.name, "rows": len(found), "mean_labels": _mean_sizes(found, sizes)}


def _mean_sizes(calibration: list[float], rows: list[list[float]]) -> dict[str, float | None]:
    """For each alpha the mean number of labels in the rows' sets; None where the rows are too few to tell."""
    means: dict[str, float | None] = {}
    for alpha in _ALPHAS:
        rank = math.ceil((len(calibration) + 1) * (1 - alpha) - 1e-9)
        most = calibration[rank - 1] + 1e-9 if rank <= len(calibration) else None
        total = sum(sum(value <= most for value in row) for row in rows) if most is not None else 0
        means[f"{alpha:g}"] = None if most is None else round(total / len(rows), 2)
    return means
