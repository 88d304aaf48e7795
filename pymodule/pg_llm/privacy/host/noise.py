"""Differentially private releases (Dwork et al. 2006) of exact results, by OpenDP: noise and its scale are OpenDP's.

Inputs are JSON of whole numbers, or of counts by group. Options: `mechanism`, `epsilon`, `delta`, `distance` (how far
one person can move the input), and `nonce`, which makes every call one of its own.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.errors import Error
from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem

# What 64 bits hold.
_LARGEST = (1 << 63) - 1
# Measurements that are kept: to find a scale takes longer than to draw.
_KEPT = 64
# A threshold that nobody exceeds.
_SAFE = 1 << 60


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per input."""
    release = _MECHANISMS[options["mechanism"]]
    return [WorkItem((), lambda _, text=text: json.dumps(release(json.loads(text), options))) for text in inputs]  # type: ignore[misc]


def laplace(values: Sequence[int], epsilon: float, distance: int) -> list[int]:
    """Each number with discrete Laplace noise; `distance` is how far one person can move the sum of all."""
    release = _laplace_measurement(epsilon, distance)
    return list(release([max(-_LARGEST, min(_LARGEST, value)) for value in values]))


def _laplace(values: list[int], options: dict[str, Any]) -> list[int]:
    return laplace(values, options["epsilon"], options["distance"])


@functools.lru_cache(maxsize=_KEPT)
def _laplace_measurement(epsilon: float, distance: int) -> Any:
    from opendp import domains, measurements, metrics

    space = domains.vector_domain(domains.atom_domain(T="i64")), metrics.l1_distance(T="i64")
    return _calibrated(lambda scale: measurements.make_laplace(*space, scale=scale), epsilon, distance)


def _least(scores: list[int], options: dict[str, Any]) -> int:
    """The place of the smallest score, by report noisy max (permute and flip); `distance` is that of any one score."""
    release = _least_measurement(options["epsilon"], options["distance"])
    return int(release([min(_LARGEST, score) for score in scores]))


@functools.lru_cache(maxsize=_KEPT)
def _least_measurement(epsilon: float, distance: int) -> Any:
    from opendp import domains, measurements, measures, metrics

    space = domains.vector_domain(domains.atom_domain(T="i64")), metrics.linf_distance(T="i64")

    def make(scale: float) -> Any:
        return measurements.make_noisy_max(*space, measures.max_divergence(), scale=scale, negate=True)

    return _calibrated(make, epsilon, distance)


def _groups(counts: dict[str, int], options: dict[str, Any]) -> dict[str, int]:
    """Counts of persons by group with Laplace noise, of groups that are large enough to give nobody away."""
    from opendp import domains, measurements, metrics

    most = options["distance"]
    space = (
        domains.map_domain(domains.atom_domain(T="String"), domains.atom_domain(T="i64")),
        metrics.l01inf_distance(metrics.absolute_distance(T="i64")),
    )

    def make(scale: float, threshold: int) -> Any:
        return measurements.make_laplace_threshold(*space, scale=scale, threshold=threshold)

    _enable()
    # A person is in at most so many groups, once in each.
    distance = (most, most, 1)
    scale = _smallest(lambda s: make(s, _SAFE).map(distance)[0] <= options["epsilon"], 1e-3, 1e12)
    # Of whole numbers it would look for those of 32 bits.
    found = _smallest(lambda t: make(scale, math.ceil(t)).map(distance)[1] <= options["delta"], 1.0, 1e15)
    # OpenDP 0.16 shows counts that equal the threshold, and reckons delta as if it did not (its issue 2922).
    threshold = math.ceil(found) + 1
    release = make(scale, threshold)
    epsilon, delta = release.map(distance)
    _check(epsilon, options["epsilon"])
    _check(delta, options["delta"])
    return dict(release(counts))


def _smallest(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The smallest number between these for which a condition holds that holds for all larger ones."""
    from opendp.mod import binary_search

    return low if holds(low) else float(binary_search(holds, bounds=(low, high)))


def _calibrated(make: Callable[[float], Any], epsilon: float, distance: int) -> Any:
    """The measurement with the smallest scale that spends no more than epsilon on this distance."""
    from opendp.mod import binary_search_param

    _enable()
    release = make(binary_search_param(make, d_in=distance, d_out=epsilon, T=float))
    _check(release.map(distance), epsilon)
    return release


def _check(spent: float, allowed: float) -> None:
    if not spent <= allowed:
        raise Error(f"the noise would spend {spent:g}, and {allowed:g} was paid for")


def _enable() -> None:
    from opendp.mod import enable_features

    # OpenDP asks who uses mechanisms whose proofs its reviewers have not all signed to say so.
    enable_features("contrib")


_MECHANISMS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "laplace": _laplace,
    "least": _least,
    "groups": _groups,
}
