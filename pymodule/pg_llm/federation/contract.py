"""What a peer says that it has agreed to, as the coordinator reads it, and what no honest peer can say of its rows."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from pg_llm import options as options_
from pg_llm.errors import InvalidInput
from pg_llm.federation import agreements, budget, sums
from pg_llm.federation.options import AGREEMENT
from pg_llm.federation.sums import Sums, Vector

# More rows than any table has, and a rounding error.
_MOST_ROWS, _SLACK = 1e12, 1e-6
# Standard deviations of the length of the noise beyond its mean: one in a billion is longer.
_DEVIATIONS = 6


@dataclass(frozen=True, slots=True)
class Contract:
    """The terms that must be the same at every peer, and the keys of its masks and of those that it is paired with."""

    task: str
    labels: list[str]
    base_digest: str
    noise: dict[str, float]
    key: str = ""
    peer_keys: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Contract:
        """The contract in the answer of a peer, which may be anything. Raises InvalidInput."""
        try:
            told = json.loads(text)
            options = budget.check(options_.check(AGREEMENT, "agreement", told["options"]))
            rounds = int(told["rounds"])
            contract = cls(
                told["task"], agreements.checked_labels(told["labels"]), told["base_digest"], {}, *_keys(told)
            )
            if (
                not isinstance(told["labels"], list)
                or contract.task not in agreements.TASKS
                or not isinstance(contract.base_digest, str)
                or not 1 <= rounds <= agreements.MOST_ROUNDS
                # No label of a database; lone surrogates cannot be encoded.
                or b"\0" in "".join(contract.labels).encode()
            ):
                raise InvalidInput("another task or model")
            if options["epsilon"]:
                contract.noise.update(clip=options["clip"], deviation=budget.noise(options, rounds))
        except (
            InvalidInput,
            ArithmeticError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise InvalidInput("its agreement is described in a way that is not understood") from error
        return contract

    @property
    def noisy(self) -> bool:
        """Whether gradients have noise."""
        return bool(self.noise)

    def difference(self, other: Contract) -> str | None:
        """The word for the first term that differs."""
        words = {
            "task": "task",
            "labels": "labels",
            "base_digest": "base model",
            "noise": "epsilon, delta, clip and rounds",
        }
        return next((word for name, word in words.items() if getattr(self, name) != getattr(other, name)), None)

    def objection(self, told: Sums, point: Vector) -> str | None:
        """Why these sums at a point are of no rows whatever: a gradient is too long, or counts or loss cannot be."""
        counts = (told.rows, told.held_back, told.hits, told.predicted, told.actual)
        if not all(0 <= count <= _MOST_ROWS and count == int(count) for count in counts) or told.rows < 1:
            return "its counts are no numbers of rows"
        if told.hits > min(told.predicted, told.actual) or told.loss < 0:
            return "its counts or its loss contradict each other"
        if told.loss > self._largest_loss(point) * told.rows * (1 + _SLACK) + 1:
            return "its loss is larger than that of so many rows can be"
        if sums.norm(told.gradient) > self._longest(told) * (1 + _SLACK):
            return "its gradient is longer than that of so many rows can be"
        return None

    def _largest_loss(self, point: Vector) -> float:
        """Of one row, whose embedding has length 1, so that no label's score is beyond its weights' length and bias."""
        labels = len(self.labels)
        scores = [sums.norm(point[label:-labels:labels]) + abs(point[label - labels]) for label in range(labels)]
        return (
            math.fsum(math.log(2) + score for score in scores)
            if self.task == "tag"
            else (math.log(labels) + 2 * max(scores))
        )

    def _longest(self, told: Sums) -> float:
        """An embedding has length 1, so one row's gradient is at most the root of 2 times its error's length."""
        if self.noise:
            size = math.sqrt(len(told.gradient))
            return self.noise["clip"] * told.rows + self.noise["deviation"] * (size + _DEVIATIONS)
        of_row = math.sqrt(2 * len(self.labels)) if self.task == "tag" else 2.0
        return of_row * told.rows


def _keys(told: dict[str, Any]) -> tuple[str, frozenset[str]]:
    paired = told.get("peer_keys") or []
    if not isinstance(paired, list):
        raise InvalidInput("keys are a list")
    return str(told.get("key", "")), frozenset(map(str, paired))
