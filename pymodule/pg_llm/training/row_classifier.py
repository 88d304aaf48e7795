"""A classifier of labelled rows: asked about the labels that it has, that are given, or that the rows have."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.arguments import Label
from pg_llm.classify import scoring
from pg_llm.database import models, search_path
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput
from pg_llm.training import labelled_rows


def of_rows(
    db: Connection, name: str, query: str, labels: Sequence[Label] | None
) -> tuple[scoring.Classifier, list[str]]:
    """The classifier, and the labels that it chooses from."""
    with search_path.pinned(db):
        model = models.find(db, name, None, scoring.MODELS)
    if labels is not None:
        names = [label for label, _ in labels]
    elif model.labels:
        names = model.labels
    else:
        names = sorted({label for rows in labelled_rows.read(db, query, "classify") for _, label in rows})
        labels = [(label, None) for label in names]
    if len(names) < 2:
        raise InvalidInput("there is a single label", hint="Give labels => all that the model chooses from.")
    with search_path.pinned(db):
        return scoring.Classifier(db, model.name, scoring.Candidates(labels), multi_label=False), names
