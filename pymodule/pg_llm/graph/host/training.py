"""Training of knowledge graph embeddings for link prediction, by the models of PyKEEN (Ali and others 2021).

Every relation is learnt in both directions, with a reciprocal vector of its predicate (Lacroix, Usunier and Obozinski
2018); the loss is the cross-entropy of the right entity against all others, or against a sample where there are many.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report

# Entities up to which all are scored in every step, and negative samples that are drawn where there are more.
_MAX_SCORED, _NEGATIVE_SAMPLES = 2000, 1000
# Validation relations for early stopping and for the final metrics; fewer where so many scores would be exceeded.
_EARLY_STOPPING_RELATIONS, _METRIC_RELATIONS = 1000, 5000
_MAX_SCORES = 20_000_000
# Bytes of the scores that one step of an evaluation computes.
_EVALUATION_BYTES = 1 << 26
# Epochs between two evaluations.
_EVALUATION_INTERVAL = 5
_METRICS = {
    "mrr": "inverse_harmonic_mean_rank",
    "hits_at_1": "hits_at_1",
    "hits_at_3": "hits_at_3",
    "hits_at_10": "hits_at_10",
}


def run(job: dict[str, Any], rows: list[Example], folder: Path, report: Report) -> dict[str, Any]:
    """Train and save to a folder; a row with a text is a relation, whose predicate it is, one without is an entity."""
    # PyKEEN creates a folder there as soon as it is imported.
    os.environ["PYSTOW_HOME"] = str(folder.parent / "pystow")
    graph = Graph.read(
        [(row.truth[0], row.truth[1]) for row in rows if not row.text],
        [(row.truth[0], row.text, row.truth[1]) for row in rows if row.text],
    )
    return train(graph, job["method"], job["options"], folder, report)


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph whose entities and predicates are numbered from 0; rows of `relations` are subject, predicate, object."""

    entities: list[int]
    types: list[str]
    predicates: list[str]
    relations: Any

    @classmethod
    def read(cls, entities: list[tuple[int, str]], relations: list[tuple[int, str, int]]) -> Graph:
        """Sort everything, so that the same graph gives the same model in whatever order it was read."""
        used = {end for subject, _, object_ in relations for end in (subject, object_)}
        ordered = sorted((number, type_) for number, type_ in entities if number in used)
        row_of_entity = {number: row for row, (number, _) in enumerate(ordered)}
        predicates = sorted({predicate for _, predicate, _ in relations})
        row_of_predicate = {predicate: row for row, predicate in enumerate(predicates)}
        rows = sorted(
            (row_of_entity[subject], row_of_predicate[predicate], row_of_entity[object_])
            for subject, predicate, object_ in relations
            if subject in row_of_entity and object_ in row_of_entity
        )
        return cls(
            [number for number, _ in ordered],
            [type_ for _, type_ in ordered],
            predicates,
            torch.tensor(rows, dtype=torch.long).reshape(-1, 3),
        )

    def split(self, share: float, seed: int) -> tuple[Any, Any]:
        """Training and held-out relations; every entity and predicate of the latter is also in the former."""
        order = np.random.default_rng(seed).permutation(len(self.relations))
        rows = self.relations.numpy()
        predicate_counts = np.bincount(rows[:, 1])
        entity_counts = np.bincount(rows[:, [0, 2]].ravel())
        wanted = max(1, round(share * len(rows)))
        chosen: list[int] = []
        for row in order:
            subject, predicate, object_ = rows[row]
            if len(chosen) == wanted:
                break
            entities_remain = entity_counts[subject] > 1 + (subject == object_) and entity_counts[object_] > 1
            if entities_remain and predicate_counts[predicate] > 1:
                entity_counts[subject] -= 1
                entity_counts[object_] -= 1
                predicate_counts[predicate] -= 1
                chosen.append(row)
        held_out = np.zeros(len(rows), dtype=bool)
        held_out[chosen] = True
        return self.relations[torch.from_numpy(~held_out)], self.relations[torch.from_numpy(held_out)]


def train(graph: Graph, method: str, options: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Train on all relations, for as many epochs as were best for a first model, which gives the held-out metrics."""
    training, held_out = graph.split(options["validation"], options["seed"])
    epochs: int = options["epochs"]
    metrics: dict[str, Any] = {}
    if len(held_out):
        first = Trainer(graph, method, options)
        epochs, metrics = first.train_until_best(training, held_out, report)
    final = Trainer(graph, method, options)
    final.train_epochs(graph.relations, epochs, "learning from all", report)
    final.save(folder)
    return {
        **metrics,
        "epochs": epochs,
        "relations": len(graph.relations),
        "validation_relations": len(held_out),
        "entities": len(graph.entities),
        "predicates": len(graph.predicates),
    }


class Trainer:
    """Trains a model of PyKEEN, in which 2p is predicate p and 2p + 1 its reciprocal."""

    def __init__(self, graph: Graph, method: str, options: dict[str, Any]) -> None:
        torch.manual_seed(options["seed"])
        self._graph = graph
        self._method = method
        self._options = options
        self._random = torch.Generator().manual_seed(options["seed"])
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = _model(graph, method, options).to(self._device)
        self._optimizer = torch.optim.Adam(self.model.parameters(), options["learning_rate"])

    def train_epochs(self, relations: Any, count: int, phase: str, report: Report) -> None:
        """Train for a number of epochs."""
        for number in range(count):
            report(phase, number, count, loss=round(self._train_epoch(relations), 4))
        report(phase, count, count)

    def train_until_best(self, training: Any, held_out: Any, report: Report) -> tuple[int, dict[str, Any]]:
        """Early stopping: the number of epochs with the best reciprocal rank, and the metrics after these."""
        watched = self._sample(held_out, _EARLY_STOPPING_RELATIONS)
        best, best_epoch, state = -1.0, 0, self._state()
        for number in range(1, self._options["epochs"] + 1):
            loss = self._train_epoch(training)
            report("training", number, self._options["epochs"], loss=round(loss, 4), mrr=round(best, 4))
            if number % _EVALUATION_INTERVAL and number != self._options["epochs"]:
                continue
            score = self.evaluate(watched, training, held_out)["mrr"]
            if score > best:
                best, best_epoch, state = score, number, self._state()
            elif number - best_epoch >= self._options["patience"]:
                break
        self.model.load_state_dict(state)
        report("measuring", 0, 1)
        return best_epoch, self.evaluate(self._sample(held_out, _METRIC_RELATIONS), training, held_out)

    def evaluate(self, relations: Any, *known: Any) -> dict[str, Any]:
        """Filtered ranks of subject and object; of equal scores the mean rank counts."""
        from pykeen.evaluation import RankBasedEvaluator

        width = self._options["dimensions"] * len(self._graph.entities) * 8
        self.model.eval()
        metrics = RankBasedEvaluator().evaluate(
            self.model,
            relations,
            batch_size=max(1, min(1024, _EVALUATION_BYTES // width)),
            device=self._device,
            additional_filter_triples=list(known),
            use_tqdm=False,
        )
        return {name: round(float(metrics.get_metric(f"both.realistic.{key}")), 4) for name, key in _METRICS.items()}

    def save(self, folder: Path) -> None:
        """Write the vectors, and a description of their rows."""
        self.model.eval()
        with torch.no_grad():
            vectors = {
                "entities": self.model.entity_representations[0](indices=None),
                "predicates": self.model.relation_representations[0](indices=None),
            }
        arrays = {
            name: np.ascontiguousarray(_as_real(vector).detach().cpu().numpy()) for name, vector in vectors.items()
        }
        types = sorted(set(self._graph.types))
        number_of_type = {type_: number for number, type_ in enumerate(types)}
        entity_types = [number_of_type[type_] for type_ in self._graph.types]
        tensors: dict[str, Any] = {
            **{name: array.astype(np.float32) for name, array in arrays.items()},
            "ids": np.asarray(self._graph.entities, dtype=np.int64),
            "types": np.asarray(entity_types, dtype=np.int32),
        }
        save_file(tensors, folder / "graph.safetensors")
        ends: list[list[set[int]]] = [[set(), set()] for _ in self._graph.predicates]
        for subject, predicate, object_ in self._graph.relations.tolist():
            ends[predicate][0].add(entity_types[subject])
            ends[predicate][1].add(entity_types[object_])
        description = {
            "method": self._method,
            "predicates": self._graph.predicates,
            "ends": [[sorted(side) for side in both] for both in ends],
        }
        (folder / "graph.json").write_text(
            json.dumps(description, ensure_ascii=False, sort_keys=True), encoding="utf-8"
        )

    def _train_epoch(self, relations: Any) -> float:
        """Train on every relation in both directions; returns the mean loss."""
        self.model.train()
        subject, predicate, object_ = relations.unbind(1)
        forward = torch.stack([subject, 2 * predicate, object_], 1)
        backward = torch.stack([object_, 2 * predicate + 1, subject], 1)
        triples = torch.cat([forward, backward])
        losses = []
        size = self._options["batch_size"]
        for batch in triples[torch.randperm(len(triples), generator=self._random)].split(size):  # type: ignore[no-untyped-call]  # torch's own lacks types
            self._optimizer.zero_grad()
            loss = self._loss(batch.to(self._device))
            loss.backward()
            self._optimizer.step()
            self.model.post_parameter_update()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def _loss(self, batch: Any) -> Any:
        tails, target = None, batch[:, 2]
        if len(self._graph.entities) > _MAX_SCORED:
            shape = (_NEGATIVE_SAMPLES,)
            negatives = torch.randint(len(self._graph.entities), shape, generator=self._random).to(self._device)
            tails, position = torch.unique(torch.cat([target, negatives]), return_inverse=True)
            target = position[: len(target)]
        scores = self.model.score_t(batch[:, :2], tails=tails)
        loss = torch.nn.functional.cross_entropy(scores, target)
        weight = self._options.get("regularization")
        if weight:
            loss = loss + weight * self._nuclear_norm(batch)
        return loss

    def _nuclear_norm(self, batch: Any) -> Any:
        """The nuclear 3-norm of the vectors of a batch, the regularizer of the same paper."""
        entities, predicates = self.model.entity_representations[0], self.model.relation_representations[0]
        used = entities(batch[:, 0]), predicates(batch[:, 1]), entities(batch[:, 2])
        return torch.stack([(vectors.abs() ** 3).sum() for vectors in used]).sum() / len(batch)

    def _sample(self, relations: Any, size: int) -> Any:
        """Every n-th of the relations, so that there are at most `size`, or fewer where there are many entities."""
        limit = max(100, min(size, _MAX_SCORES // len(self._graph.entities)))
        return relations[:: max(1, -(-len(relations) // limit))]

    def _state(self) -> dict[str, Any]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}


def _model(graph: Graph, method: str, options: dict[str, Any]) -> Any:
    from pykeen.models import ERModel
    from pykeen.nn import init
    from pykeen.triples import CoreTriplesFactory
    from pykeen.utils import complex_normalize

    triples = CoreTriplesFactory(
        graph.relations,
        num_entities=len(graph.entities),
        num_relations=len(graph.predicates),
        create_inverse_triples=True,
    )
    dtype = torch.cfloat if method in ("complex", "rotate") else torch.float
    entities = {"shape": options["dimensions"], "dtype": dtype, "initializer": init.xavier_normal_}
    # RotatE's predicates are rotations: complex numbers of length one.
    rotations = {"initializer": init.init_phases, "constrainer": complex_normalize} if method == "rotate" else {}
    return ERModel(
        triples_factory=triples,
        interaction=_interaction(method),
        entity_representations_kwargs=entities,
        relation_representations_kwargs=entities | rotations,
        random_seed=options["seed"],
    )


def _interaction(method: str) -> Any:
    """PyKEEN's interaction, with a matrix product for one subject and many objects, which is fifty times as fast."""
    from pykeen.nn import modules

    classes = {
        "complex": modules.ComplExInteraction,
        "rotate": modules.RotatEInteraction,
        "distmult": modules.DistMultInteraction,
        "transe": modules.TransEInteraction,
    }

    base: Any = classes[method]

    class MatrixInteraction(base):  # type: ignore[misc]  # chosen at run time
        def forward(self, h: Any, r: Any, t: Any) -> Any:
            if h.ndim != 3 or h.shape[1] != 1 or t.ndim != 3 or t.shape[0] != 1:
                return super().forward(h, r, t)
            query = (h + r if method == "transe" else h * r)[:, 0]
            query, tails = (_as_real(x).flatten(1) for x in (query, t[0]))
            if method in ("rotate", "transe"):
                return -torch.cdist(query, tails)
            return query @ tails.T

    return MatrixInteraction(p=2) if method == "transe" else MatrixInteraction()


def _as_real(vectors: Any) -> Any:
    """Complex vectors with a last dimension of real and imaginary part; real ones as they are."""
    return torch.view_as_real(vectors) if vectors.is_complex() else vectors
