"""Example-based explanation: the labelled rows that a text is most like in a model's own space (nearest neighbours).

The rows are read from the caller's query and kept nowhere.
"""

from __future__ import annotations

import heapq
import json
from typing import Any

from pg_llm import vectors
from pg_llm.classify import scoring
from pg_llm.database import models, search_path
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput
from pg_llm.training import labelled_rows

_SHAPE = "SELECT id, text, label FROM …"


def nearest(db: Connection, input: str | None, name: str, query: str, k: int) -> list[dict[str, Any]]:
    """The rows whose embeddings have the greatest cosine with the text's, greatest first; k are held at a time."""
    with search_path.pinned(db):
        model = models.find(db, name, None, ("classification", "embedding"))
        encoder = model if model.task == "embedding" else model.base()
        if encoder is None:
            raise InvalidInput(
                f'model "{model.name}" does not show its vectors of texts',
                hint="A head does; or name an embedding model.",
            )
        if input is None or scoring.is_blank(input):
            return []
        wanted = json.loads(encoder.run("text_vectors", [input])[0])
    best: list[tuple[float, int, dict[str, Any]]] = []
    number = 0
    for rows in labelled_rows.read_columns(db, query, 3, _SHAPE):
        known = [(row, text) for row in rows if isinstance(text := json.loads(row["c2"] or "null"), str)]
        with search_path.pinned(db):
            found = encoder.run("text_vectors", [text for _, text in known]) if known else []
        for (row, text), vector in zip(known, found, strict=True):
            similarity = vectors.inner_product(wanted, json.loads(vector))
            label = json.loads(row["c3"] or "null")
            told = {"key": row["c1"], "text": text, "label": label if isinstance(label, str) else row["c3"]}
            # Of equals the first row stays.
            number -= 1
            entry = (similarity, number, {**told, "similarity": similarity})
            if len(best) < k:
                heapq.heappush(best, entry)
            else:
                heapq.heappushpop(best, entry)
    return [told for *_, told in sorted(best, key=lambda entry: entry[:2], reverse=True)]
