"""Training of a recommender, and its evaluation on each user's last event (leave-one-out).

The score of an item blends the transformer's logit with what the neighbors of the user's last items say; the blend is
tuned on the held-out events of some users.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from safetensors.numpy import load_file, save_file

from pg_llm.models import source
from pg_llm.models.spec import ModelSpec
from pg_llm.recommend.host import metrics, neighbors
from pg_llm.recommend.host.evaluation import MAX_NEIGHBORS, Evaluation, Events
from pg_llm.recommend.host.transformer import Network, Optimizer, epoch
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import trainer

# Users that are evaluated: at most, at least, and as a product with the number of items that each ranks.
_MAX_EVALUATED, _MIN_EVALUATED, _MAX_RANKED = 2000, 100, 40_000_000
# Passes over all events, the held-out ones too, once training has stopped.
_FINAL_PASSES = 2
_BRACES = bytes.maketrans(b"[]", b"{}")


def run(job: dict[str, Any], rows: list[Example], made: Path, report: Report) -> dict[str, Any]:
    """Train, and write the model to the folder `made`; returns the metrics.

    A row `item` has an item's text or null, in the order of the items' numbers; a row `user` item numbers and weights.
    """
    items = [Example(row.truth or "", None) for row in rows if row.text == "item"]
    users = [row.truth for row in rows if row.text == "user"]
    texts = np.zeros((len(items), 1), dtype=np.float32)
    if job["base"]:
        texts = np.asarray(trainer.text_vectors(job, items, report), dtype=np.float32)
        texts[[not item.text for item in items]] = 0
    events = Events(
        [np.asarray(numbers, dtype=np.int64) for numbers, _ in users],
        [np.asarray(weights, dtype=np.float32) for _, weights in users],
        texts,
    )
    previous = source.folder(ModelSpec.from_wire(job["before"])) if job["before"] else None
    return train(events, job["options"], previous, made, report)


def train(events: Events, options: dict[str, Any], previous: Path | None, made: Path, report: Report) -> dict[str, Any]:
    """Train and write to the folder `made`, continuing from the model in `previous`; returns the metrics."""
    torch.manual_seed(options["seed"])
    random = np.random.default_rng(options["seed"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = Network(events.items, torch.from_numpy(events.texts).to(device), options).to(device)
    if previous is not None:
        _load_weights(network, previous)
    eligible = [number for number, sequence in enumerate(events.sequences) if len(sequence) > 2]
    most = max(_MIN_EVALUATED, min(_MAX_EVALUATED, _MAX_RANKED // max(1, events.items)))
    evaluated = sorted(random.permutation(eligible)[:most].tolist())
    # A user with fewer events would have no history left.
    seen = Events(
        [sequence[:-1] if len(sequence) > 2 else sequence for sequence in events.sequences],
        [weights[:-1] if len(weights) > 2 else weights for weights in events.weights],
        events.texts,
    )
    best_epoch = (
        _train_until_best(network, seen, events, evaluated, options, random, report) if options["epochs"] else 0
    )
    evaluation = Evaluation(network, seen, events, evaluated)
    blend = evaluation.tune()
    evaluation.save(blend, made)
    optimizer = Optimizer(network, options["learning_rate"])
    known = torch.from_numpy(events.known()).to(device, torch.float32)
    for number in range(_FINAL_PASSES if options["epochs"] else 0):
        for _ in epoch(network, optimizer, events.sequences, events.weights, known, options["batch_size"], random):
            report("learning the last events", number, _FINAL_PASSES)
    _save(network, events, known, {**asdict(blend), **options}, made, report)
    return {
        "epochs": best_epoch,
        **asdict(blend),
        "fresh": int(events.fresh().sum()),
        **metrics.by_method(load_file(made / "validation.safetensors"), 10).get("recommender", {}),
    }


def _train_until_best(
    network: Network,
    seen: Events,
    events: Events,
    evaluated: Sequence[int],
    options: dict[str, Any],
    random: Any,
    report: Report,
) -> int:
    """Train with early stopping on the held-out events; the network keeps its best state. Returns the best epoch."""
    optimizer = Optimizer(network, options["learning_rate"])
    known = torch.from_numpy(seen.known()).to(network.device, torch.float32)
    best_score, best_state, best_epoch = -1.0, copy.deepcopy(network.state_dict()), 0
    for number in range(1, options["epochs"] + 1):
        losses = []
        for loss in epoch(network, optimizer, seen.sequences, seen.weights, known, options["batch_size"], random):
            losses.append(loss)
            report("training", number - 1, options["epochs"], loss=round(loss, 4))
        ranks = Evaluation(network, seen, events, evaluated).transformer_ranks() if evaluated else np.zeros(1)
        score = float(np.mean(metrics.ndcg(ranks, 10)))
        report("training", number, options["epochs"], loss=round(float(np.mean(losses)), 4), ndcg=round(score, 4))
        if score > best_score:
            best_score, best_state, best_epoch = score, copy.deepcopy(network.state_dict()), number
        elif number - best_epoch >= options["patience"]:
            break
    network.load_state_dict(best_state)
    return best_epoch


def _save(network: Network, events: Events, known: Any, options: dict[str, Any], made: Path, report: Report) -> None:
    """Write the model's files, and beside their folder a line per item: vector, freshness, neighbors, weights."""
    report("writing", 0, 1)
    network.eval()
    with torch.no_grad():
        vectors = network.items(known).cpu().numpy()
        biases = network.biases(known).cpu().numpy()
    save_file({"vectors": np.ascontiguousarray(vectors)}, made / "items.safetensors")
    state = {name: np.ascontiguousarray(value.cpu().numpy()) for name, value in network.state_dict().items()}
    save_file(state, made / "state.safetensors")
    (made / "recommender.json").write_text(json.dumps({"length": network.length, **options}, sort_keys=True))
    _export_body(network, made / "sequence.onnx")
    matrix = neighbors.weights(events.sequences, events.weights, events.items, MAX_NEIGHBORS, options["backward"])
    # PostgreSQL literals, which a backend passes on unparsed: the items of a large catalogue take gigabytes.
    vector_format = "[" + ",".join(["%.6g"] * (vectors.shape[1] + 1)) + "]"
    rows = zip(vectors, biases, events.fresh(), itertools.pairwise(matrix.indptr), strict=True)
    with (made.parent / "items.tsv").open("wb") as file:
        for vector, bias, fresh, (start, end) in rows:
            weights = np.round(matrix.data[start:end].astype(np.float64), 7)
            fields = (
                (vector_format % (*vector.tolist(), bias)).encode(),
                b"t" if fresh else b"f",
                _array_literal(matrix.indices[start:end]),
                _array_literal(weights),
            )
            file.write(b"\t".join(fields) + b"\n")


def _array_literal(values: Any) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY).translate(_BRACES)


def _export_body(network: Network, file: Path) -> None:
    """Export the body to ONNX: item vectors of fixed length to the vector of the next item."""
    body = copy.deepcopy(network.body).cpu().eval()
    dimensions = network.own.shape[1]
    sample = (torch.randn(2, network.length, dimensions), torch.ones(2, network.length))
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.onnx.export(
        body,
        sample,
        dynamo=True,
        dynamic_shapes=({0: batch}, {0: batch}),
        input_names=["vectors", "present"],
        output_names=["after"],
        verbose=False,
    )
    assert program is not None
    program.save(str(file), include_initializers=True)


def _load_weights(network: Network, folder: Path) -> None:
    """Load the weights of an earlier training; items keep their number, new ones keep their initial weights."""
    state = network.state_dict()
    for name, value in load_file(folder / "state.safetensors").items():
        if name in ("own", "bias"):
            state[name][: len(value)] = torch.from_numpy(value)
        else:
            state[name] = torch.from_numpy(value)
    network.load_state_dict(state)
