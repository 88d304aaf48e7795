"""Scores that say how unusual a number is among those that its group had before.

Robust z-score: the distance from the median in units of the median absolute deviation (Iglewicz and Hoaglin 1993).
EWMA: the distance from the exponentially weighted mean in units of the exponentially weighted deviation (Roberts 1959,
Finch 2009). Seasonal: the robust z-score among the values of the same hour of earlier days or weeks. All look back
only, so that a score does not depend on what comes after. `comparison` has those that read a table.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from pg_llm.errors import InvalidInput

State = dict[str, Any]
# The standard deviation of a normal distribution in units of its median, and of its mean, absolute deviation.
_MEDIAN_UNIT, _MEAN_UNIT = 1.4826, 1.2533
# Options of each method: default, least, most.
OPTIONS: Mapping[str, Mapping[str, tuple[float, float, float]]] = {
    "robust_z": {"last": (50, 5, 1000), "least": (10, 2, 1000)},
    "seasonal": {"hours": (168, 2, 8784), "last": (8, 2, 100), "least": (5, 2, 100)},
    "novelty": {"last": (200, 5, 5000), "least": (10, 1, 1000)},
    "drift": {"last": (10, 1, 1000), "least": (100, 10, 1_000_000_000)},
    "ewma": {"alpha": (0.1, 0.001, 1.0), "least": (10, 2, 1000)},
}


def checked(given: Any) -> dict[str, Any]:
    """A score's definition with its defaults: method, value, group and options. Raises InvalidInput."""
    hint = """Write score => '{"method": "robust_z", "value": "amount", "group": ["card"]}'."""
    if not isinstance(given, dict) or given.get("method") not in OPTIONS:
        raise InvalidInput(f"score has no method of these: {', '.join(OPTIONS)}", hint=hint)
    method, value, group = given["method"], given.get("value"), given.get("group", [])
    if not isinstance(value, str) or not isinstance(group, list) or not all(isinstance(name, str) for name in group):
        raise InvalidInput("score needs the column of the value, and may have a list of columns of a group", hint=hint)
    options = OPTIONS[method]
    chosen = {"method": method, "value": value, "group": group}
    for name, number in given.items():
        if name in chosen:
            continue
        if name not in options:
            raise InvalidInput(f'the score {method} has no option "{name}"', hint=f"It has: {', '.join(options)}.")
        _, least, most = options[name]
        if isinstance(number, bool) or not isinstance(number, int | float) or not least <= number <= most:
            raise InvalidInput(f'"{name}" of the score must lie between {least:g} and {most:g}')
    return chosen | {name: given.get(name, default) for name, (default, _, _) in options.items()}


def score(definition: Mapping[str, Any], state: State, value: float, at: float | None = None) -> float | None:
    """How unusual a value of a moment, in seconds, is, signed; None before there are enough.

    The state takes the value in.
    """
    if not math.isfinite(value):
        return None
    if definition["method"] == "seasonal":
        if at is None:
            return None
        hour = str(int(at // 3600 % definition["hours"]))
        return _robust_z(definition, state, value, hour)
    return _METHODS[definition["method"]](definition, state, value)


def _robust_z(definition: Mapping[str, Any], state: State, value: float, kept: str = "values") -> float | None:
    values: list[float] = state.setdefault(kept, [])
    found = None
    if len(values) >= definition["least"]:
        middle = statistics.median(values)
        deviations = [abs(other - middle) for other in values]
        unit = _MEDIAN_UNIT * statistics.median(deviations) or _MEAN_UNIT * statistics.fmean(deviations)
        found = _distance(value - middle, unit)
    values.append(value)
    del values[: -int(definition["last"])]
    return found


def _ewma(definition: Mapping[str, Any], state: State, value: float) -> float | None:
    count, mean, variance = state.get("count", 0), state.get("mean", value), state.get("variance", 0.0)
    found = _distance(value - mean, math.sqrt(variance)) if count >= definition["least"] else None
    # The plain mean of the first ones, so that the very first does not weigh too much.
    alpha = max(definition["alpha"], 1 / (count + 1))
    difference = value - mean
    state.update(
        count=count + 1,
        mean=mean + alpha * difference,
        variance=(1 - alpha) * (variance + alpha * difference * difference),
    )
    return found


def _distance(difference: float, unit: float) -> float:
    if unit == 0:
        return 0.0 if difference == 0 else math.copysign(math.inf, difference)
    return difference / unit


_METHODS: Mapping[str, Callable[[Mapping[str, Any], State, float], float | None]] = {
    "robust_z": _robust_z,
    "ewma": _ewma,
}
