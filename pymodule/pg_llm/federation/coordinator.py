"""The coordinator of a federated training: asks the peers for gradients round by round, and registers what was learnt.

Each round is one gradient over all rows (federated SGD: McMahan and others 2017), so the model is the one that training
on all rows in one place would give, however they are spread over the peers.
"""

from __future__ import annotations

import base64 as base64_
import hashlib
import math
import statistics
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pg_llm.database import model_files, models, progress, registry, training_runs
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.database.quoting import quote_literal
from pg_llm.errors import Error, InvalidInput
from pg_llm.federation import peers, requests, sums
from pg_llm.federation.contract import Contract
from pg_llm.federation.optimizer import AcceleratedGradient, LimitedMemoryBFGS, Optimizer
from pg_llm.federation.peers import Peer, Peers
from pg_llm.federation.sums import Sums, Vector

MOST_PEERS = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of whom: servers, the name of their agreement, rounds, how gradients become one, options."""

    peers: list[str]
    agreement: str
    rounds: int
    method: str
    options: dict[str, Any]


def checked_peers(names: Sequence[str | None] | None) -> list[str]:
    """The names of the servers. Raises InvalidInput."""
    given = [name for name in names or () if isinstance(name, str)]
    if len(given) != len(names or ()) or len(set(given)) != len(given) or not 2 <= len(given) <= MOST_PEERS:
        raise InvalidInput(
            f"peers are the names of 2 to {MOST_PEERS} foreign servers, each once",
            hint="Write peers => '{north,south}'.",
        )
    return given


def federate(db: Connection, name: str | None, plan: Plan, base: str | None) -> dict[str, Any]:
    """Train with the peers and register the model; returns what was measured and who was left out."""
    name = registry.new_name(db, name, "train a model")
    model = models.find(db, base, "embedding")
    started = time.monotonic()
    session = progress.session_fields(db, "llm_federate", plan.agreement, name)
    with (
        peers.connected(db, plan.peers, plan.options["timeout"]) as connected,
        progress.reporting_as(db, session) as report,
    ):
        training = _Training(db, plan, model, connected)
        for round_ in range(plan.rounds):
            report("round", round_, plan.rounds)
            training.step()
    return training.register(name, session, time.monotonic() - started)


class _Training:
    def __init__(self, db: Connection, plan: Plan, model: Model, connected: Peers) -> None:
        self._db = db
        self._plan = plan
        self._model = model
        self._peers = connected
        self._contract = self._agreed()
        length = ((model.dimensions or 0) + 1) * len(self._contract.labels)
        exact = plan.method != "median" and not self._contract.noisy
        self._optimizer: Optimizer = LimitedMemoryBFGS(length) if exact else AcceleratedGradient(length)
        self._measured: Sums | None = None

    def step(self) -> None:
        """One round."""
        asked = self._peers.left
        point = self._optimizer.point
        ask = requests.masked_gradients if self._plan.method == "secure" else requests.gradients
        told = ask(self._peers, self._plan.agreement, self._contract, point)
        if len(self._peers.left) < len(asked):
            self._check_number()
            # Another loss from now on: of fewer rows.
            self._optimizer.restart()
            return
        loss, gradient, all_ = self._combined(told, point)
        if self._optimizer.tell(loss, gradient):
            self._measured = all_

    def _agreed(self) -> Contract:
        """What all peers have agreed on alike. Raises InvalidInput naming who has not."""
        agreement = quote_literal(self._plan.agreement)
        # A coordinator that is an owner itself would be shown the query.
        terms = "(pg_catalog.to_jsonb(f) OPERATOR(pg_catalog.-) 'query'::pg_catalog.text)::pg_catalog.text"
        queries = {
            peer.name: f"SELECT {terms} FROM {peer.function('llm_federations()')} AS f"
            f" WHERE f.name OPERATOR(pg_catalog.=) {agreement}"
            for peer in self._peers.left
        }
        answers = self._peers.ask(queries)
        contracts = {}
        for peer in self._peers.left:
            try:
                contracts[peer.name] = Contract.parse(answers[peer.name])
            except InvalidInput as error:
                self._peers.leave_out(peer, error.message)
        self._check_number()
        first, agreed = next(iter(contracts.items()))
        for name, contract in contracts.items():
            if difference := agreed.difference(contract):
                raise InvalidInput(
                    f'the peers "{first}" and "{name}" have not agreed on the same {difference}',
                    hint="llm_allow_federation() takes the same task, labels, base and noise at every peer.",
                )
        if agreed.base_digest != self._model.wire["digest"]:
            raise InvalidInput(
                f'the peers have agreed on another model than "{self._model.name}"',
                hint="Name the one with the digest that llm_federations() shows: base => 'NAME'.",
            )
        if self._plan.method == "secure":
            requests.check_complete(self._peers)
            requests.check_keys(contracts)
        return agreed

    def _combined(self, told: Sequence[Sums], point: Vector) -> tuple[float, Vector, Sums]:
        """Loss and gradient of the regularised objective at the point, and the sums over all peers."""
        all_ = Sums.of(_total([each.values for each in told]))
        if self._plan.method == "median":
            means = [sums.scaled(each.gradient, 1 / each.rows) for each in told]
            gradient = array("d", map(statistics.median, zip(*means, strict=True)))
        else:
            gradient = sums.scaled(all_.gradient, 1 / all_.rows)
        # The biases, which come last, are left free.
        shrunk = point[: -len(self._contract.labels)]
        scale = 1 / (self._plan.options["strength"] * all_.rows)
        penalty = sums.scaled(shrunk, scale) + sums.zeros(len(self._contract.labels))
        return all_.loss / all_.rows + scale / 2 * sums.dot(shrunk, shrunk), sums.add(gradient, penalty), all_

    def _check_number(self) -> None:
        left, least = len(self._peers.left), self._plan.options["least_peers"]
        if left < least:
            reasons = "; ".join(f"{peer.name}: {peer.left_out}" for peer in self._peers.all if peer.left_out)
            raise InvalidInput(
                f"{left} of {len(self._peers.all)} peers are left, and {least} are needed", detail=reasons
            )

    def register(self, name: str, session: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Register the best model that was seen, and record the run."""
        if self._measured is None:
            raise Error("no round came to its end with all peers", hint="Give it more rounds.")
        told, contract = self._measured, self._contract
        options = {**self._plan.options, "agreement": self._plan.agreement, "rounds": self._plan.rounds}
        job = {"task": contract.task, "method": "federated", "options": options}
        weights = base64_.b64encode(sums.encode(self._optimizer.best)).decode("ascii")
        files = {**job, "labels": contract.labels, "weights": weights}
        metrics: dict[str, Any] = {
            "training_rows": int(told.rows),
            "validation_rows": int(told.held_back),
            "peers": [_described(peer) for peer in self._peers.all],
        }
        if told.held_back and told.predicted + told.actual:
            metrics["micro_f1"] = 2 * told.hits / (told.predicted + told.actual)
        with training_runs.stream_training(self._db, session, files, self._model, []) as result:
            model_files.store(self._db, Path(result["folder"]), result["digest"])
        source = f"database:{result['digest']}"
        registry.register(self._db, name, "classification", source, None, {}, self._model.wire)
        rows = int(told.rows + told.held_back)
        ended = {**result, "metrics": metrics, "seconds": round(seconds, 1)}
        # Of rows that are not here nothing is known.
        training_runs.record(self._db, name, job, self._model, ended, rows, hashlib.sha256().hexdigest())
        return {"model": name, "method": self._plan.method, "seconds": ended["seconds"], **metrics}


def _total(vectors: Sequence[Vector]) -> Vector:
    return array("d", map(math.fsum, zip(*vectors, strict=True)))


def _described(peer: Peer) -> dict[str, Any]:
    return {"peer": peer.name, "rows": peer.rows, "rounds": peer.rounds, "left_out": peer.left_out}
