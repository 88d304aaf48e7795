"""How reliable a model's queries are: the share that is right, by how many of its samples agree on the result.

That agreement tells right from wrong answers is self-consistency (Wang et al. 2022). Measured on taught questions by
`calibration`; the shares assumed before weigh as much as a few questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import comb

# Assumed of a model that nobody measured: where all samples agree, where most do, and else.
_UNANIMOUS, _MAJORITY, _SCATTERED = 0.8, 0.65, 0.4
_LEAST_MAJORITY = 0.6
# What the assumption weighs, in questions.
_ASSUMPTION_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Reliability:
    """Questions asked and answered rightly, by the number of samples that agreed; empty if nobody measured it."""

    measured: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def confidence(self, agreeing: int, samples: int, left: int = 0) -> float:
        """The probability that a result is right which so many samples agree on: the mean of its posterior.

        Where most agree before all were asked for, it is that of how many would agree in all, each weighed by how often
        it was seen and how likely it then begins so: the hypergeometric distribution, as their order tells nothing.
        """
        left = left if 2 * agreeing > samples else 0
        drawn = samples - left
        weights = {
            total: comb(total, agreeing) * comb(samples - total, drawn - agreeing) * self._weight(total)
            for total in range(agreeing, agreeing + left + 1)
        }
        shares = (weight * self._share(total, samples) for total, weight in weights.items())
        return sum(shares) / sum(weights.values())

    def _weight(self, agreeing: int) -> float:
        return self.measured.get(agreeing, (0, 0))[0] + _ASSUMPTION_WEIGHT

    def _share(self, agreeing: int, samples: int) -> float:
        right = self.measured.get(agreeing, (0, 0))[1]
        return (right + _ASSUMPTION_WEIGHT * assumed(agreeing, samples)) / self._weight(agreeing)


def assumed(agreeing: int, samples: int) -> float:
    """The share of right answers assumed of a model that nobody measured; one sample agrees with nothing."""
    if agreeing < 2:
        return _SCATTERED
    if agreeing == samples:
        return _UNANIMOUS
    return _MAJORITY if agreeing >= _LEAST_MAJORITY * samples else _SCATTERED
