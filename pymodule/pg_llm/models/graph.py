"""Link prediction by knowledge-graph embeddings: ComplEx, RotatE, DistMult and TransE, as `graph.host` trains them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pg_llm.errors import InvalidModel
from pg_llm.models.engine import Text, Window

# These files may come from a dump that anybody made, and all sessions share the host's memory.
_MAX_DESCRIPTION_BYTES = 16 << 20
_SHAPES = {"complex": 3, "rotate": 3, "distmult": 2, "transe": 2}


class GraphModel:
    """`forward` gives each entity of `ids` a probability to be the other end; 0 for entities of other types."""

    task = "graph"
    engine = "numpy"
    device = "cpu"
    batch_tokens = 64

    def __init__(self, folder: Path) -> None:
        description = _description(folder / "graph.json")
        self._method: str = description["method"]
        arrays = _arrays(folder / "graph.safetensors", self._method, len(description["predicates"]))
        self.ids = arrays["ids"]
        self._entities = _flat(arrays["entities"])
        self._predicates = arrays["predicates"]
        self._squares = (self._entities**2).sum(axis=1)
        self._row = {int(number): row for row, number in enumerate(self.ids)}
        self.predicates = {name: row for row, name in enumerate(description["predicates"])}
        self._types = arrays["types"]
        # Per predicate, the types that can stand at each end.
        self._ends = description["ends"]
        self.bytes = sum(int(array.nbytes) for array in arrays.values())
        self.details: dict[str, Any] = {"dimensions": arrays["entities"].shape[1]}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """One window per text, a JSON list of entity, predicate, 0 for objects or 1 for subjects; none if unknown."""
        windows: list[list[Window]] = []
        for text in texts:
            entity, predicate, inverse = json.loads(str(text))
            known = entity in self._row and predicate in self.predicates
            windows.append([Window((self._row[entity], self.predicates[predicate], inverse), 1)] if known else [])
        return windows

    def forward(self, batch: Sequence[Window]) -> list[Any]:
        """One array per window, as long as `ids`."""
        return [self._probabilities(*item.tokens) for item in batch]

    def _probabilities(self, entity: int, predicate: int, inverse: int) -> Any:
        """Softmax over the entities whose type fits."""
        fitting = np.isin(self._types, self._ends[predicate][0 if inverse else 1])
        if not fitting.any():
            return np.zeros(len(self.ids))
        scores = np.where(fitting, self._scores(entity, 2 * predicate + inverse), -np.inf)
        weights = np.exp(scores - scores.max())
        return weights / weights.sum()

    def _scores(self, entity: int, predicate: int) -> Any:
        """The scores of PyKEEN's interactions, as products of matrices."""
        start, step = self._entities[entity], self._predicates[predicate]
        if self._method in ("complex", "rotate"):
            real, imaginary = start.reshape(-1, 2).T
            start = np.stack(
                [real * step[:, 0] - imaginary * step[:, 1], real * step[:, 1] + imaginary * step[:, 0]], 1
            )
            query = start.ravel()
        else:
            query = start + step if self._method == "transe" else start * step
        product = self._entities @ query
        if self._method in ("complex", "distmult"):
            return product
        return -np.sqrt(np.maximum(self._squares + (query**2).sum() - 2 * product, 0))


def _flat(vectors: Any) -> Any:
    return np.ascontiguousarray(vectors.reshape(len(vectors), -1))


def _description(file: Path) -> dict[str, Any]:
    """Method, predicates, and of each predicate the types of its subjects and of its objects. Raises InvalidModel."""
    try:
        if file.stat().st_size > _MAX_DESCRIPTION_BYTES:
            raise InvalidModel("the stored model of a graph has more predicates than fit into memory")
        description = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidModel(f"the stored model of a graph cannot be read: {type(error).__name__}") from error
    well_formed = (
        isinstance(description, dict)
        and str(description.get("method")) in _SHAPES
        and all(isinstance(description.get(name), list) for name in ("predicates", "ends"))
    )
    _check(
        well_formed
        and len(description["ends"]) == len(description["predicates"])
        and all(isinstance(name, str) for name in description["predicates"])
        and all(map(_are_types, description["ends"])),
        "what its numbers stand for",
    )
    return dict(description)


def _are_types(ends: Any) -> bool:
    return (
        isinstance(ends, list)
        and len(ends) == 2
        and all(
            isinstance(side, list) and all(type(number) is int and 0 <= number < 1 << 31 for number in side)
            for side in ends
        )
    )


def _arrays(file: Path, method: str, predicates: int) -> dict[str, Any]:
    """Numbers, types and vectors of the entities, and two vectors of each predicate. Raises InvalidModel."""
    try:
        arrays = load_file(file)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InvalidModel(f"the stored model of a graph cannot be read: {type(error).__name__}") from error
    kinds = {
        "ids": ("<i8", 1),
        "types": ("<i4", 1),
        "entities": ("<f4", _SHAPES[method]),
        "predicates": ("<f4", _SHAPES[method]),
    }
    _check(arrays.keys() == kinds.keys(), "its arrays")
    for name, (kind, axes) in kinds.items():
        array = arrays[name]
        _check(array.dtype.str == kind and array.ndim == axes and array.size > 0, f"the array {name}")
    width = arrays["entities"].shape[1:]
    _check(
        arrays["types"].shape == arrays["ids"].shape
        and arrays["entities"].shape[0] == len(arrays["ids"])
        and arrays["predicates"].shape == (2 * predicates, *width)
        and width[1:] in ((), (2,)),
        "how many there are",
    )
    _check(all(np.isfinite(arrays[name]).all() for name in ("entities", "predicates")), "its vectors")
    return arrays


def _check(valid: bool, what: str) -> None:
    if not valid:
        raise InvalidModel(f"the stored model of a graph is not what graph_fit() makes: {what}")
