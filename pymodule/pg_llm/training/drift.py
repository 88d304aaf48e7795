"""Drift of a model's inputs and answers between two sets of texts, by two-sample permutation tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.classify import scoring
from pg_llm.database import models, search_path
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput
from pg_llm.training import labelled_rows

# Texts of each side at most: the kernel has a number for each pair.
MOST_TEXTS = 2000
_LEAST_TEXTS = 10
_SHAPE = "SELECT text FROM …"


def drift(db: Connection, name: str | None, reference: str, current: str, seed: int) -> list[dict[str, Any]]:
    """One row for the labels that the model gives, how sure it is, and the texts' embeddings, as far as it has them."""
    with search_path.pinned(db):
        model = models.find(db, name, "classification", ("classification", "embedding"))
    sides = [_texts(db, query, which) for query, which in ((reference, "reference"), (current, "current"))]
    with search_path.pinned(db):
        samples: dict[str, Any] = {"seed": seed}
        if model.labels:
            classifier = scoring.Classifier(db, model.name, scoring.Candidates(None), multi_label=False)
            choices = [[scoring.choice(scores) for scores in classifier.scores(texts) if scores] for texts in sides]
            if not all(choices):
                raise InvalidInput("all texts of one side are blank")
            samples["labels"] = [[choice.label for choice in side] for side in choices]
            samples["confidence"] = [[choice.score for choice in side] for side in choices]
        samples["embedding"] = [
            [json.loads(vector) for vector in _encoder(db, model).run("text_vectors", texts)] for texts in sides
        ]
        rows = json.loads(models.run_without_model(db, "drift", [json.dumps(samples)])[0])
    return [{**row, "detail": json.dumps(row["detail"], ensure_ascii=False)} for row in rows]


def _texts(db: Connection, query: str, which: str) -> Sequence[str]:
    texts: list[str] = []
    for rows in labelled_rows.read_columns(db, query, 1, _SHAPE):
        texts += [row["c1"] for row in rows if row["c1"] is not None]
        if len(texts) > MOST_TEXTS:
            raise InvalidInput(
                f"the {which} query yields more than {MOST_TEXTS:,} texts",
                hint="Let it choose some by chance: ORDER BY random() LIMIT 1000.",
            )
    if len(texts) < _LEAST_TEXTS:
        raise InvalidInput(
            f"the {which} query yields {len(texts)} texts", hint=f"Nothing can be told of fewer than {_LEAST_TEXTS}."
        )
    return texts


def _encoder(db: Connection, model: Model) -> Model:
    """The model itself where it embeds, and else the default one for that."""
    return model if model.task == "embedding" else models.find(db, None, "embedding")
