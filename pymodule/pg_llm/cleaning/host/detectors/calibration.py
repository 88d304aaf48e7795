"""Calibration of confidences: what a detector says against how often it is right (isotonic regression).

Measured on 150 tables of drawn columns (tests/support/drawn_tables.py, odd seeds to 299), four damaged tables and five
with misspellings (clean_tables.py and misspelt_tables.py, those developed on, seeds 11 and 12), all with cells that
look wrong and are right. Of cells of one table with one confidence fifteen count at most; three
imagined answers at the detector's own word smooth each figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# By detector, (confidence said, share right).
_MEASURED: dict[str, Sequence[tuple[float, float]]] = {
    "case": ((0.6, 0.83), (0.75, 0.85), (0.9, 0.94)),
    "date": ((0.9, 0.94),),
    "dependency": ((0.53, 0.41), (0.57, 0.67), (0.6, 0.72), (0.67, 0.94)),
    "email": ((0.9, 0.94),),
    "missing": ((0.68, 0.9), (0.8, 0.94)),
    "number": ((0.63, 0.72), (0.75, 0.89), (0.9, 0.94)),
    "typo": ((0.52, 0.42), (0.56, 0.6), (0.64, 0.8), (0.77, 0.88), (0.9, 0.94)),
    "unit": ((0.75, 0.94), (0.9, 0.94)),
    "url": ((0.9, 0.94),),
    "variant": ((0.57, 0.59), (0.75, 0.86), (0.81, 0.94)),
}
# What is less probable is not proposed, and what is more probable is applied by default: nothing becomes either.
_PROPOSED, _APPLIED = 0.5, 0.95


def calibrated(detector: str, confidence: float) -> float:
    """The probability that a repair is right of which a detector says that much."""
    measured = _MEASURED.get(detector)
    if measured is None or confidence >= _APPLIED:
        return confidence
    said, right = zip((0.0, 0.0), *measured, (_APPLIED, measured[-1][1]), strict=True)
    share = float(np.interp(confidence, said, right))
    return share if confidence >= _PROPOSED else min(share, confidence)
