"""What was learnt from a graph, as `pg_llm.training.knowledge_graph` writes it: how likely a relation leads where."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from pg_llm.errors import InvalidModel
from pg_llm.models.engine import Encoded, Text

# A graph's owner may write these files, and the host's memory is everybody's.
_LONGEST = 16 << 20


class GraphModel:
    """`forward` gives a probability for each entity, of `ids`, to be the other end; 0 for those of other types."""

    task = "graph"
    engine = "numpy"
    device = "cpu"
    batch_tokens = 64

    def __init__(self, folder: Path) -> None:
        if (folder / "graph.json").stat().st_size > _LONGEST:
            raise InvalidModel("the stored model of a graph has more predicates than fit into memory")
        about = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "graph.safetensors")
        self.ids = arrays["ids"]
        self._method: str = about["method"]
        self._entities = _flat(arrays["entities"])
        self._predicates = arrays["predicates"]
        self._squares = (self._entities**2).sum(axis=1)
        self._row = {int(number): row for row, number in enumerate(self.ids)}
        self.predicates = {name: row for row, name in enumerate(about["predicates"])}
        # Per predicate and direction, which entities can stand at the other end.
        self._fitting = [
            [np.isin(arrays["types"], side) for side in (objects, subjects)] for subjects, objects in about["ends"]
        ]
        self.bytes = sum(int(array.nbytes) for array in arrays.values()) + sum(
            int(mask.nbytes) for both in self._fitting for mask in both
        )
        self.details: dict[str, Any] = {"dimensions": arrays["entities"].shape[1]}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Encoded]]:
        """One window per text, a JSON list of entity, predicate, 0 for objects or 1 for subjects; none if unknown."""
        found: list[list[Encoded]] = []
        for text in texts:
            entity, predicate, back = json.loads(str(text))
            known = entity in self._row and predicate in self.predicates
            found.append([Encoded((self._row[entity], self.predicates[predicate], back), 1)] if known else [])
        return found

    def forward(self, batch: Sequence[Encoded]) -> list[Any]:
        """One array per window, as long as `ids`."""
        return [self._probabilities(*item.tokens) for item in batch]

    def _probabilities(self, entity: int, predicate: int, back: int) -> Any:
        """Softmax over the entities whose type fits."""
        fitting = self._fitting[predicate][back]
        scores = np.where(fitting, self._scores(entity, 2 * predicate + back), -np.inf)
        weights = np.exp(scores - scores.max())
        return weights / weights.sum()

    def _scores(self, entity: int, predicate: int) -> Any:
        """As PyKEEN's interactions define them; with matrices where they have sums."""
        start, step = self._entities[entity], self._predicates[predicate]
        if self._method in ("complex", "rotate"):
            real, imaginary = start.reshape(-1, 2).T
            start = np.stack(
                [real * step[:, 0] - imaginary * step[:, 1], real * step[:, 1] + imaginary * step[:, 0]], 1
            )
            wanted = start.ravel()
        else:
            wanted = start + step if self._method == "transe" else start * step
        product = self._entities @ wanted
        if self._method in ("complex", "distmult"):
            return product
        return -np.sqrt(np.maximum(self._squares + (wanted**2).sum() - 2 * product, 0))


def _flat(vectors: Any) -> Any:
    return np.ascontiguousarray(vectors.reshape(len(vectors), -1))
