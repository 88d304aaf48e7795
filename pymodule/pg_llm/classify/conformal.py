"""Split conformal prediction: sets of labels that hold the right one in a chosen share of cases.

Vovk, Gammerman and Shafer 2005; the set of least size is that of the labels above a probability (Sadinle, Lei and
Wasserman 2019). It holds for texts that are drawn as those were that the model was calibrated on, whatever the model.
"""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.classify import scoring
from pg_llm.classify.scoring import Scores
from pg_llm.database import models, registry
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

# Probabilities are rounded.
_ROUNDING = 1e-9


def classify_sets(
    db: Connection, inputs: Sequence[str | None], model: str | None, alpha: float
) -> list[tuple[int, list[str] | None]]:
    """The labels that a text may have beside its position from 1: none for a blank one, None for NULL."""
    found = models.find(db, model, "classification", scoring.MODELS)
    rows, most = registry.calibration_quantile(db, found.name, 1 - alpha)
    if not rows:
        raise InvalidInput(
            f'model "{found.name}" is not calibrated',
            hint="SELECT llm_calibrate(model, query) with labelled rows that it has not learnt from.",
        )
    scores = scoring.Classifier(db, found.name, scoring.Candidates(None), multi_label=False).scores(inputs)
    return [(position, None if each is None else label_set(each, most)) for position, each in enumerate(scores, 1)]


def nonconformity(scores: Scores, label: str) -> float:
    """How little the model believes in a label."""
    return 1 - scores[label]


def label_set(scores: Scores, most: float | None) -> list[str]:
    """The labels that are no stranger than that, most probable first; all of them for None."""
    chosen = [label for label in scores if most is None or nonconformity(scores, label) <= most + _ROUNDING]
    return sorted(chosen, key=lambda label: -scores[label])
