"""A recommender learns from sequences of items: what is kept of it, and what was measured on each user's last event."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from safetensors.numpy import load_file, save_file

from pg_llm.models import source
from pg_llm.models.spec import ModelSpec
from pg_llm.recommend.host import metrics, neighbors
from pg_llm.recommend.host.transformer import Network, Optimizer, epoch
from pg_llm.recommend.options import EPSILON, RECENT
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import trainer

# Neighbours of an item that are kept.
MOST_NEIGHBOURS = 100
# What is tried of a Blend.
_SHARES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
_DECAYS = (0.9, 0.8, 0.7, 0.6)
# Of equals the first: that users go on, rather than back.
_BACKWARD = (0.3, 1.0)
# Users that are measured on, fewer where each has many items to rank, and the length of the lists that are kept.
_MEASURED, _FEWEST_MEASURED, _RANKED = 2000, 100, 40_000_000
_LISTED = 100
# Of the first places of a list, fresh items get their share of all items, or this one at most.
_PLACES, _MOST_FRESH = 50, 0.1
# Passes over all events, the last ones too, once it is known how many passes are good.
_LAST_PASSES = 2
_BRACES = bytes.maketrans(b"[]", b"{}")


def run(job: dict[str, Any], rows: list[Example], made: Path, report: Report) -> dict[str, Any]:
    """Train, save to the folder `made`.

    Of the rows, `item` has an item's text or null, in the order of their numbers; `user` numbers and weights.
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
    before = source.folder(ModelSpec.from_wire(job["before"])) if job["before"] else None
    return train(events, job["options"], before, made, report)


@dataclass(frozen=True, slots=True)
class Events:
    """For each user the items in their order, and each event's weight; `texts` has a unit vector or zeros per item."""

    sequences: Sequence[Any]
    weights: Sequence[Any]
    texts: Any

    @property
    def items(self) -> int:
        """How many items there are, with events or without."""
        return len(self.texts)

    def known(self) -> Any:
        """Which items have events."""
        found = np.zeros(self.items, dtype=bool)
        found[np.concatenate(self.sequences)] = True
        return found

    def fresh(self) -> Any:
        """Which items have no events, but a text."""
        return ~self.known() & np.any(self.texts, axis=1)


@dataclass(frozen=True, slots=True)
class Blend:
    """How much the neighbours say beside the transformer, how fast their word fades, how much it says backward.

    Of a fresh item they know nothing: it stands where the transformer alone would place it, `lift` added.
    """

    share: float
    decay: float
    backward: float
    lift: float = 0.0


def train(events: Events, options: dict[str, Any], before: Path | None, made: Path, report: Report) -> dict[str, Any]:
    """Write the recommender into the folder; `before` has the one that it goes on from. Returns the measures."""
    torch.manual_seed(options["seed"])
    random = np.random.default_rng(options["seed"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = Network(events.items, torch.from_numpy(events.texts).to(device), options).to(device)
    if before is not None:
        _go_on(network, before)
    held = [number for number, each in enumerate(events.sequences) if len(each) > 2]
    most = max(_FEWEST_MEASURED, min(_MEASURED, _RANKED // max(1, events.items)))
    measured = sorted(random.permutation(held)[:most].tolist())
    # The last event of each user is kept back; who has hardly any shows nothing.
    seen = Events(
        [each[:-1] if len(each) > 2 else each for each in events.sequences],
        [each[:-1] if len(each) > 2 else each for each in events.weights],
        events.texts,
    )
    passes = _learn(network, seen, events, measured, options, random, report) if options["epochs"] else 0
    trial = _Judged(network, seen, events, measured)
    found = trial.tuned()
    trial.keep(found, made)
    optimizer = Optimizer(network, options["learning_rate"])
    known = torch.from_numpy(events.known()).to(device, torch.float32)
    for number in range(_LAST_PASSES if options["epochs"] else 0):
        for _ in epoch(network, optimizer, events.sequences, events.weights, known, options["batch_size"], random):
            report("learning the last events", number, _LAST_PASSES)
    _keep(network, events, known, {**asdict(found), **options}, made, report)
    return {
        "epochs": passes,
        **asdict(found),
        "fresh": int(events.fresh().sum()),
        **metrics.metrics(load_file(made / "validation.safetensors"), 10).get("recommender", {}),
    }


def _learn(
    network: Network,
    seen: Events,
    events: Events,
    measured: Sequence[int],
    options: dict[str, Any],
    random: Any,
    report: Report,
) -> int:
    """Until the measured users' last events are guessed no better; the network is then as it was at its best."""
    optimizer = Optimizer(network, options["learning_rate"])
    known = torch.from_numpy(seen.known()).to(network.device, torch.float32)
    best, state, at = -1.0, copy.deepcopy(network.state_dict()), 0
    for number in range(1, options["epochs"] + 1):
        losses = []
        for loss in epoch(network, optimizer, seen.sequences, seen.weights, known, options["batch_size"], random):
            losses.append(loss)
            report("training", number - 1, options["epochs"], loss=round(loss, 4))
        ranks = _Judged(network, seen, events, measured).alone() if measured else np.zeros(1)
        score = float(np.mean(metrics.gain(ranks, 10)))
        report("training", number, options["epochs"], loss=round(float(np.mean(losses)), 4), ndcg=round(score, 4))
        if score > best:
            best, state, at = score, copy.deepcopy(network.state_dict()), number
        elif number - at >= options["patience"]:
            break
    network.load_state_dict(state)
    return at


class _Judged:
    """How a network, and the neighbours of the same events, rank the measured users' last events.

    User by user: of many items, what is said of all of them for all users would be too much to hold.
    """

    def __init__(self, network: Network, seen: Events, events: Events, measured: Sequence[int]) -> None:
        known = torch.from_numpy(seen.known()).to(network.device, torch.float32)
        self._seen = seen
        self._fresh = np.flatnonzero(seen.fresh())
        self._near: dict[float, Any] = {}
        self._histories = [np.asarray(seen.sequences[number]) for number in measured]
        self._targets = np.asarray([events.sequences[number][-1] for number in measured], dtype=np.int64)
        self._likely = network.scores(self._histories, known) if measured else np.zeros((0, seen.items), np.float32)
        self._popular = np.bincount(np.concatenate(seen.sequences), minlength=seen.items).astype(np.float32)

    def alone(self) -> Any:
        """The place of each last event among all items that the user had not seen, from 0, without neighbours."""
        return np.asarray([self._place(user, likely) for user, likely in enumerate(self._likely)])

    def tuned(self) -> Blend:
        """What ranks the last events best."""
        best, score = Blend(1.0, 0.8, 1.0), -1.0
        for backward in _BACKWARD if len(self._targets) else ():
            for decay in _DECAYS:
                places = np.asarray(
                    [
                        [self._place(user, self._blend(user, spoken, share)) for share in _SHARES]
                        for user, spoken in enumerate(map(_spoken, self._said(decay, backward)))
                    ]
                )
                for share, of_share in zip(_SHARES, places.T, strict=True):
                    found = float(np.mean(metrics.gain(of_share, 10)))
                    if found > score:
                        best, score = Blend(share, decay, backward), found
        return replace(best, lift=self._lift())

    def _lift(self) -> float:
        """What gives the fresh items their part of the first places, on average over the users."""
        fresh = self._fresh
        places = min(_PLACES, (self._seen.items - len(fresh)) // 2)
        if not (len(fresh) and places and len(self._targets)):
            return 0.0
        deep = min(places, len(fresh))
        found = []
        for user, likely in enumerate(self._likely):
            best = _first(likely[fresh], deep)
            # The n-th best fresh item is among the first when it is lifted above the n-th last of the others there.
            found.append(_first(likely[self._others(user)], places)[places - deep :][::-1] - best)
        # Who has seen nearly all items says nothing.
        needed = np.concatenate(found)
        needed = needed[np.isfinite(needed)]
        part = min(_MOST_FRESH, len(fresh) / self._seen.items) * places / deep
        return float(np.quantile(needed, min(1.0, part))) if len(needed) else 0.0

    def keep(self, blend: Blend, made: Path) -> None:
        """Write what a later evaluation needs: ranks and lists of this recommender and of two plain ones."""
        kept: dict[str, Any] = {"popular": self._popular, "targets": self._targets}
        found: dict[str, list[Any]] = {}
        for user, said in enumerate(self._said(blend.decay, blend.backward)) if len(self._targets) else ():
            ways = {
                "recommender": self._placed(user, self._blend(user, _spoken(said), blend.share), blend.lift),
                "popularity": self._popular,
                "neighbours": said,
            }
            for way, scores in ways.items():
                found.setdefault(f"{way}_ranks", []).append(self._place(user, scores))
                found.setdefault(f"{way}_lists", []).append(self._list(user, scores))
        kept |= {name: np.asarray(values) for name, values in found.items()}
        save_file({name: values.astype(np.int32) for name, values in kept.items()}, made / "validation.safetensors")

    def _said(self, decay: float, backward: float) -> Iterator[Any]:
        """What the neighbours say of all items, for each user."""
        seen = self._seen
        if backward not in self._near:
            self._near[backward] = neighbors.weights(
                seen.sequences, seen.weights, seen.items, MOST_NEIGHBOURS, backward
            )
        return neighbors.scores(self._near[backward], self._histories, decay, RECENT)

    def _blend(self, user: int, spoken: Any, share: float) -> Any:
        likely = self._likely[user]
        return likely + share * spoken if share else likely

    def _others(self, user: int) -> Any:
        """Which items are neither fresh nor the user's own."""
        others = np.ones(self._seen.items, dtype=bool)
        others[self._fresh] = False
        others[self._histories[user]] = False
        return others

    def _placed(self, user: int, scores: Any, lift: float) -> Any:
        """The fresh items among the others, as `functions.recommendation` places them."""
        others = self._others(user)
        if not (len(self._fresh) and others.any()):
            return scores
        found = scores.copy()
        likely, own = np.sort(self._likely[user, others]), np.sort(scores[others])
        value = self._likely[user, self._fresh] + lift
        beyond = np.maximum(value - likely[-1], 0) + np.minimum(value - likely[0], 0)
        found[self._fresh] = np.interp(value, likely, own) + beyond
        return found

    def _place(self, user: int, scores: Any) -> int:
        target = self._targets[user]
        history = np.unique(self._histories[user])
        least = scores[target]
        # Of equals the user gets those that come first.
        before = np.count_nonzero(scores[:target] >= least) + np.count_nonzero(scores[target:] > least)
        own = scores[history]
        return int(before - np.count_nonzero(own > least) - np.count_nonzero(own[history < target] == least))

    def _list(self, user: int, scores: Any) -> Any:
        own = scores.copy()
        own[self._histories[user]] = -np.inf
        return _best(own, min(_LISTED, len(own)))


def _spoken(said: Any) -> Any:
    """As a logarithm, which the transformer's word is too."""
    return np.log(EPSILON + said)


def _best(scores: Any, most: int) -> Any:
    """The places of the largest, best first; of equals the first."""
    least = np.partition(scores, len(scores) - most)[len(scores) - most]
    above = np.flatnonzero(scores > least)
    equal = np.flatnonzero(scores == least)[: most - len(above)]
    return np.concatenate([above[np.argsort(-scores[above], kind="stable")], equal])


def _first(values: Any, most: int) -> Any:
    """The largest, best first; endlessly small where there are no more."""
    found = np.full(most, -np.inf, dtype=values.dtype)
    best = -np.sort(-values)[:most]
    found[: len(best)] = best
    return found


def _keep(network: Network, events: Events, known: Any, options: dict[str, Any], made: Path, report: Report) -> None:
    """The model's files, and beside them each item's vector and neighbours, a line each."""
    report("writing", 0, 1)
    network.eval()
    with torch.no_grad():
        vectors = network.items(known).cpu().numpy()
        biases = network.biases(known).cpu().numpy()
    save_file({"vectors": np.ascontiguousarray(vectors)}, made / "items.safetensors")
    state = {name: np.ascontiguousarray(value.cpu().numpy()) for name, value in network.state_dict().items()}
    save_file(state, made / "state.safetensors")
    (made / "recommender.json").write_text(json.dumps({"length": network.length, **options}, sort_keys=True))
    _export(network, made / "sequence.onnx")
    near = neighbors.weights(events.sequences, events.weights, events.items, MOST_NEIGHBOURS, options["backward"])
    # Literals of PostgreSQL, so that a backend passes them on unread: a large catalogue has gigabytes of them.
    vector = "[" + ",".join(["%.6g"] * (vectors.shape[1] + 1)) + "]"
    rows = zip(vectors, biases, events.fresh(), itertools.pairwise(near.indptr), strict=True)
    with (made.parent / "items.tsv").open("wb") as file:
        for own, bias, fresh, (start, end) in rows:
            weights = np.round(near.data[start:end].astype(np.float64), 7)
            parts = (
                (vector % (*own.tolist(), bias)).encode(),
                b"t" if fresh else b"f",
                _array(near.indices[start:end]),
                _array(weights),
            )
            file.write(b"\t".join(parts) + b"\n")


def _array(values: Any) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY).translate(_BRACES)


def _export(network: Network, file: Path) -> None:
    """The body for onnxruntime: item vectors of fixed length in, what comes after the last out."""
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


def _go_on(network: Network, before: Path) -> None:
    """Take the weights over; items keep their number, new ones begin afresh."""
    state = {name: torch.from_numpy(value) for name, value in load_file(before / "state.safetensors").items()}
    own = network.state_dict()
    for name, value in state.items():
        if name in ("own", "bias"):
            own[name][: len(value)] = value
        else:
            own[name] = value
    network.load_state_dict(own)
