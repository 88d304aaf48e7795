"""Whether a rare spelling is a slip of a frequent one, or a name of its own (a noisy channel, Kernighan et al. 1990).

The evidence of the letters alone: real names near one another (Kristin and Kirstin) are attested somewhere and their
letters fit together, which those of slips seldom do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pg_llm.cleaning.host.detectors.similarity import edit_distance
from pg_llm.values.host import spellings

# Logistic regression of slips against real neighbours among towns of five countries, first names, surnames, counties,
# states, countries, languages, airports and jobs; of a vocabulary left out, 96 % of pairs are in the right order.
_INTERCEPT = 0.5
# By each unit of log-likelihood that the rare spelling is beneath the frequent one, of as many letters.
_BY_LIKELIHOOD, _MAX_LOSS, _OF_LETTER = 0.55, 12.0, 2.3
_IF_ATTESTED = -3.8
# Of real neighbours a quarter differ in the first letter, of slips 3 % (Pollock and Zamora 1984).
_IF_SEVERAL_EDITS, _IF_FIRST_LETTER = -3.5, -2.0
# Pseudo-count of slips, and of names of their own.
_PRIOR = 0.5
_ROUNDS = 10


def log_odds(rare: str, frequent: str) -> float:
    """The logarithm of the likelihood ratio of a slip to a name of its own; 0 where nothing is known."""
    pairs = _differing_words(rare, frequent)
    known = [(spellings.log_likelihood(old), spellings.log_likelihood(new)) for old, new in pairs]
    losses = [right - wrong for wrong, right in known if wrong is not None and right is not None]
    if not pairs or len(losses) < len(pairs):
        return 0.0
    loss = sum(losses) + _OF_LETTER * (len(frequent) - len(rare))
    evidence = _INTERCEPT + _BY_LIKELIHOOD * min(_MAX_LOSS, max(0.0, loss))
    if sum(edit_distance(old, new, 2) for old, new in pairs) > 1:
        evidence += _IF_SEVERAL_EDITS
    if any(old[0] != new[0] for old, new in pairs):
        evidence += _IF_FIRST_LETTER
    if all(spellings.is_attested(old) for old, _ in pairs):
        evidence += _IF_ATTESTED
    return evidence


def slip_probabilities(log_odds: Sequence[float], expected: float) -> list[float]:
    """The probability of each rare spelling being a slip, in a mixture with names of their own (by EM).

    `expected` names of their own are near a frequent one by chance; the share of slips starts from there.
    """
    count = len(log_odds)
    real = expected
    probabilities: list[float] = []
    for _ in range(_ROUNDS):
        share = (max(0.0, count - real) + _PRIOR) / (count + 2 * _PRIOR)
        probabilities = [1 / (1 + (1 - share) / share * math.exp(-evidence)) for evidence in log_odds]
        real = max(expected, count - math.fsum(probabilities))
    return probabilities


def _differing_words(one: str, other: str) -> list[tuple[str, str]]:
    """The words in which two texts of as many words differ."""
    ones, others = spellings.words_of(one), spellings.words_of(other)
    if len(ones) != len(others):
        return []
    pairs = zip(map(str.casefold, ones), map(str.casefold, others), strict=True)
    return [(old, new) for old, new in pairs if old != new]
