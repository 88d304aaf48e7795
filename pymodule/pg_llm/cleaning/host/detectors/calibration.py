"""Calibration of confidences: what a detector says against how often it is right (logistic regression, Platt 1999).

Three things tell it: what is said, how many others the same detector finds in the column, and of misspellings how many
rows share one. Where much is wrong, one more cell seldom is an exception, and a single one often is (empirical Bayes).

Fitted to 350 tables of drawn columns (tests/support/drawn_tables.py, odd seeds to 399 and even ones to 300), the two
damaged tables and five with misspellings that were developed on (clean_tables.py and misspelt_tables.py, seeds 13 and
14), all with cells that look wrong and are right. Cells that hold the same count as five at most, those of one detector
in one table as thirty; weights are shrunk (ridge).
"""

from __future__ import annotations

import math

# Log-odds of a repair of which a detector says .9 and that is the column's only one; by each unit of the log-odds
# said, and by each tenfold of the detector's repairs in the column.
_AT_NINE_TENTHS = {
    **dict.fromkeys(("boolean", "date", "email", "phone", "url", "variant"), 2.8),
    "case": 1.4,
    "dependency": 1.6,
    "encoding": 0.9,
    "missing": 5.1,
    "number": 4.4,
    "space": 0.3,
    "typo": 1.0,
    "unit": 5.1,
}
_BY_LOG_ODDS, _BY_TENFOLD = 1.2, 1.66
# By each tenfold of the value's rows; and what a law gives where nothing is contradicts nothing.
_BY_TENFOLD_ROWS = {"typo": 0.84}
_IF_EMPTY = {"dependency": 2.9}
# That little is found of a kind tells little against it: so many imagined repairs are as probable as the detector says.
_OWN_WORD = 3
# Of what is said to be less probable nothing was measured, nor of other detectors: it stays as they say.
MIN_SAID = 0.4
# What is more probable is applied by default: a detector's own word alone makes it so, or a law that is broken often.
_APPLIED, _NOT_APPLIED, _LAWFUL = 0.95, 0.94, 0.97
_LAW = "dependency"


def calibrated(detector: str, said: float, alike: int = 1, rows: int = 1) -> float:
    """The probability that a repair is right of which a detector says that much.

    `alike` counts the detector's repairs in the column, equal ones of equal values once; `rows` are those with the
    value, 0 if it is missing.
    """
    if detector not in _AT_NINE_TENTHS or not MIN_SAID <= said < _APPLIED:
        return said
    odds = _AT_NINE_TENTHS[detector] + _BY_LOG_ODDS * (_log_odds(said) - _log_odds(0.9))
    odds += _BY_TENFOLD * math.log10(alike) + _BY_TENFOLD_ROWS.get(detector, 0.0) * math.log10(max(1, rows))
    odds += 0.0 if rows else _IF_EMPTY.get(detector, 0.0)
    odds = max(odds, (alike * odds + _OWN_WORD * _log_odds(said)) / (alike + _OWN_WORD))
    probability = 1 / (1 + math.exp(-odds))
    is_applied = detector == _LAW and rows > 0 and probability >= _LAWFUL
    return _APPLIED if is_applied else min(probability, _NOT_APPLIED)


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))
