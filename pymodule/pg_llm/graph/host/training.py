"""Link prediction learnt from the relations of a graph: vectors of entities and predicates, by PyKEEN's models.

Every relation is learnt in both directions, each predicate having a second vector for the way back (Lacroix, Usunier
and Obozinski 2018), with cross-entropy of the right entity against all others, or a sample where there are many.
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

# Entities up to which each is scored in every step, and how many others are drawn beyond that.
_ALL, _DRAWN = 2000, 1000
# Validation relations that say when to stop, and that are measured at the end; where there are many entities, fewer.
_WATCHED, _MEASURED = 1000, 5000
_SCORES = 20_000_000
# Bytes of what one step of an evaluation holds.
_HELD = 1 << 26
# Epochs between two looks at the validation relations.
_EVERY = 5
_METRICS = {
    "mrr": "inverse_harmonic_mean_rank",
    "hits_at_1": "hits_at_1",
    "hits_at_3": "hits_at_3",
    "hits_at_10": "hits_at_10",
}


def run(job: dict[str, Any], rows: list[Example], made: Path, report: Report) -> dict[str, Any]:
    """Train, save to the folder `made`; of the rows, an entity's text is empty, and a relation's is its predicate."""
    # PyKEEN makes folders where this says as soon as it is imported.
    os.environ["PYSTOW_HOME"] = str(made.parent / "pystow")
    graph = Graph.read(
        [(row.truth[0], row.truth[1]) for row in rows if not row.text],
        [(row.truth[0], row.text, row.truth[1]) for row in rows if row.text],
    )
    return train(graph, job["method"], job["options"], made, report)


@dataclass(frozen=True, slots=True)
class Graph:
    """Entities and predicates by their numbers from 0; `relations` has rows of subject, predicate, object."""

    entities: list[int]
    types: list[str]
    predicates: list[str]
    relations: Any

    @classmethod
    def read(cls, entities: list[tuple[int, str]], relations: list[tuple[int, str, int]]) -> Graph:
        """In an order of their own, so that the same graph makes the same model however it was read."""
        used = {end for subject, _, object_ in relations for end in (subject, object_)}
        known = sorted((number, type_) for number, type_ in entities if number in used)
        place = {number: position for position, (number, _) in enumerate(known)}
        predicates = sorted({predicate for _, predicate, _ in relations})
        order = {predicate: position for position, predicate in enumerate(predicates)}
        rows = sorted(
            (place[subject], order[predicate], place[object_])
            for subject, predicate, object_ in relations
            if subject in place and object_ in place
        )
        return cls(
            [number for number, _ in known],
            [type_ for _, type_ in known],
            predicates,
            torch.tensor(rows, dtype=torch.long).reshape(-1, 3),
        )

    def split(self, share: float, seed: int) -> tuple[Any, Any]:
        """Relations to learn from and to measure on; of those kept back every end and predicate is learnt from too."""
        order = np.random.default_rng(seed).permutation(len(self.relations))
        rows = self.relations.numpy()
        left = [np.bincount(rows[:, column]) for column in range(3)]
        ends = np.bincount(rows[:, [0, 2]].ravel())
        wanted = max(1, round(share * len(rows)))
        back: list[int] = []
        for row in order:
            subject, predicate, object_ = rows[row]
            if len(back) == wanted:
                break
            if ends[subject] > 1 + (subject == object_) and ends[object_] > 1 and left[1][predicate] > 1:
                ends[subject] -= 1
                ends[object_] -= 1
                left[1][predicate] -= 1
                back.append(row)
        held = np.zeros(len(rows), dtype=bool)
        held[back] = True
        return self.relations[torch.from_numpy(~held)], self.relations[torch.from_numpy(held)]


def train(graph: Graph, method: str, options: dict[str, Any], made: Path, report: Report) -> dict[str, Any]:
    """Write the model into the folder: learnt from all relations, measured on some that a first one did not see."""
    learnt, held = graph.split(options["validation"], options["seed"])
    epochs: int = options["epochs"]
    metrics: dict[str, Any] = {}
    if len(held):
        first = Learner(graph, method, options)
        epochs, metrics = first.until_good(learnt, held, report)
    final = Learner(graph, method, options)
    final.epochs(graph.relations, epochs, "learning from all", report)
    final.save(made)
    return {
        **metrics,
        "epochs": epochs,
        "relations": len(graph.relations),
        "validation_relations": len(held),
        "entities": len(graph.entities),
        "predicates": len(graph.predicates),
    }


class Learner:
    """A model of PyKEEN's and how it learns; its predicate 2p goes forward and 2p + 1 back."""

    def __init__(self, graph: Graph, method: str, options: dict[str, Any]) -> None:
        torch.manual_seed(options["seed"])
        self._graph = graph
        self._method = method
        self._options = options
        self._random = torch.Generator().manual_seed(options["seed"])
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = _model(graph, method, options).to(self._device)
        self._optimizer = torch.optim.Adam(self.model.parameters(), options["learning_rate"])

    def epochs(self, relations: Any, count: int, phase: str, report: Report) -> None:
        """Go over the relations so many times."""
        for number in range(count):
            report(phase, number, count, loss=round(self._epoch(relations), 4))
        report(phase, count, count)

    def until_good(self, learnt: Any, held: Any, report: Report) -> tuple[int, dict[str, Any]]:
        """Learn until the relations kept back are found no better; the best number of epochs and what it measured."""
        watched = held[:: max(1, -(-len(held) // self._most(_WATCHED)))]
        best, at, state = -1.0, 0, self._state()
        for number in range(1, self._options["epochs"] + 1):
            loss = self._epoch(learnt)
            report("training", number, self._options["epochs"], loss=round(loss, 4), mrr=round(best, 4))
            if number % _EVERY and number != self._options["epochs"]:
                continue
            score = self.measured(watched, learnt, held)["mrr"]
            if score > best:
                best, at, state = score, number, self._state()
            elif number - at >= self._options["patience"]:
                break
        self.model.load_state_dict(state)
        report("measuring", 0, 1)
        return at, self.measured(held[:: max(1, -(-len(held) // self._most(_MEASURED)))], learnt, held)

    def measured(self, wanted: Any, *known: Any) -> dict[str, Any]:
        """Filtered ranks of both ends; of equals the middle."""
        from pykeen.evaluation import RankBasedEvaluator

        width = self._options["dimensions"] * len(self._graph.entities) * 8
        self.model.eval()
        found = RankBasedEvaluator().evaluate(
            self.model,
            wanted,
            batch_size=max(1, min(1024, _HELD // width)),
            device=self._device,
            additional_filter_triples=list(known),
            use_tqdm=False,
        )
        return {name: round(float(found.get_metric(f"both.realistic.{key}")), 4) for name, key in _METRICS.items()}

    def save(self, made: Path) -> None:
        """The vectors, and what their rows stand for."""
        self.model.eval()
        with torch.no_grad():
            vectors = {
                "entities": self.model.entity_representations[0](indices=None),
                "predicates": self.model.relation_representations[0](indices=None),
            }
        arrays = {
            name: np.ascontiguousarray((torch.view_as_real(each) if each.is_complex() else each).detach().cpu().numpy())
            for name, each in vectors.items()
        }
        types = sorted(set(self._graph.types))
        place = {type_: number for number, type_ in enumerate(types)}
        of = [place[type_] for type_ in self._graph.types]
        rows: dict[str, Any] = {
            **{name: each.astype(np.float32) for name, each in arrays.items()},
            "ids": np.asarray(self._graph.entities, dtype=np.int64),
            "types": np.asarray(of, dtype=np.int32),
        }
        save_file(rows, made / "graph.safetensors")
        ends: list[list[set[int]]] = [[set(), set()] for _ in self._graph.predicates]
        for subject, predicate, object_ in self._graph.relations.tolist():
            ends[predicate][0].add(of[subject])
            ends[predicate][1].add(of[object_])
        about = {
            "method": self._method,
            "predicates": self._graph.predicates,
            "ends": [[sorted(side) for side in both] for both in ends],
        }
        (made / "graph.json").write_text(json.dumps(about, ensure_ascii=False, sort_keys=True), encoding="utf-8")

    def _epoch(self, relations: Any) -> float:
        """One pass over the relations, each in both directions."""
        self.model.train()
        subject, predicate, object_ = relations.unbind(1)
        forth = torch.stack([subject, 2 * predicate, object_], 1)
        back = torch.stack([object_, 2 * predicate + 1, subject], 1)
        both = torch.cat([forth, back])
        losses = []
        size = self._options["batch_size"]
        for batch in both[torch.randperm(len(both), generator=self._random)].split(size):  # type: ignore[no-untyped-call]  # torch's own lacks types
            self._optimizer.zero_grad()
            loss = self._loss(batch.to(self._device))
            loss.backward()
            self._optimizer.step()
            self.model.post_parameter_update()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def _loss(self, batch: Any) -> Any:
        tails, target = None, batch[:, 2]
        if len(self._graph.entities) > _ALL:
            drawn = torch.randint(len(self._graph.entities), (_DRAWN,), generator=self._random).to(self._device)
            tails, at = torch.unique(torch.cat([target, drawn]), return_inverse=True)
            target = at[: len(target)]
        scores = self.model.score_t(batch[:, :2], tails=tails)
        loss = torch.nn.functional.cross_entropy(scores, target)
        weight = self._options.get("regularization")
        if weight:
            loss = loss + weight * self._cubes(batch)
        return loss

    def _cubes(self, batch: Any) -> Any:
        """The nuclear 3-norm of the vectors that a batch uses, as the same paper has it."""
        entities, predicates = self.model.entity_representations[0], self.model.relation_representations[0]
        used = entities(batch[:, 0]), predicates(batch[:, 1]), entities(batch[:, 2])
        return torch.stack([(each.abs() ** 3).sum() for each in used]).sum() / len(batch)

    def _most(self, wanted: int) -> int:
        return max(100, min(wanted, _SCORES // len(self._graph.entities)))

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
    kind = torch.cfloat if method in ("complex", "rotate") else torch.float
    entities = {"shape": options["dimensions"], "dtype": kind, "initializer": init.xavier_normal_}
    turned = {"initializer": init.init_phases, "constrainer": complex_normalize} if method == "rotate" else {}
    return ERModel(
        triples_factory=triples,
        interaction=_interaction(method),
        entity_representations_kwargs=entities,
        relation_representations_kwargs=entities | turned,
        random_seed=options["seed"],
    )


def _interaction(method: str) -> Any:
    """PyKEEN's, with many objects for one subject by a product of matrices: a fiftieth of the time."""
    from pykeen.nn import modules

    kinds = {
        "complex": modules.ComplExInteraction,
        "rotate": modules.RotatEInteraction,
        "distmult": modules.DistMultInteraction,
        "transe": modules.TransEInteraction,
    }

    own: Any = kinds[method]

    class Quick(own):  # type: ignore[misc]  # chosen at run time
        def forward(self, h: Any, r: Any, t: Any) -> Any:
            if h.ndim != 3 or h.shape[1] != 1 or t.ndim != 3 or t.shape[0] != 1:
                return super().forward(h, r, t)
            wanted = (h + r if method == "transe" else h * r)[:, 0]
            wanted, there = (torch.view_as_real(x).flatten(1) if x.is_complex() else x for x in (wanted, t[0]))
            if method in ("rotate", "transe"):
                return -torch.cdist(wanted, there)
            return wanted @ there.T

    return Quick(p=2) if method == "transe" else Quick()
