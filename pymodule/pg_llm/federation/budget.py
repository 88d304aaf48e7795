"""What all rounds of an agreement may tell of one row, shared out: zero-concentrated differential privacy.

Bun and Steinke (2016): what rounds tell adds up as rho, and rho is (rho + 2 sqrt(rho ln(1/delta)), delta).
"""

from __future__ import annotations

import math
from typing import Any

from pg_llm.errors import InvalidInput

# Less hides more than rounding errors leave of the gradient.
LEAST_EPSILON = 0.001


def check(options: dict[str, Any]) -> dict[str, Any]:
    """The options of an agreement. Raises InvalidInput for an epsilon too small to compute with."""
    if 0 < options["epsilon"] < LEAST_EPSILON:
        raise InvalidInput(
            f'invalid value for option "epsilon": {options["epsilon"]:g}',
            hint=f"It is {LEAST_EPSILON:g} to 100, or 0 for no noise.",
        )
    return options


def rho_of_round(options: dict[str, Any], rounds: int) -> float:
    """What one of the rounds may tell."""
    log = math.log(1 / options["delta"])
    return float((math.sqrt(log + options["epsilon"]) - math.sqrt(log)) ** 2 / rounds)


def distance(options: dict[str, Any]) -> float:
    """How far the gradient moves if one row is another one, as their number is told."""
    return float(2 * options["clip"])


def noise(options: dict[str, Any], rounds: int) -> float:
    """The standard deviation of the noise of each number of the gradient."""
    return distance(options) / math.sqrt(2 * rho_of_round(options, rounds))
