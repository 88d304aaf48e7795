"""What a classifier tells of the rows that it has learnt from: the attack by its loss (Yeom and others 2018).

Who has a row, and may ask the model, guesses that it has learnt from the row where it is surer of the row's label than
of others'. The area under the curve of such guesses is 0.5 where they are right by chance, and 1 where they always are.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from itertools import accumulate
from statistics import variance
from typing import Any

from pg_llm.classify import scoring
from pg_llm.database import models, search_path
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput
from pg_llm.training import labelled_rows

LEAST_ROWS, MOST_ROWS = 10, 100_000
# Two-sided 95 percent of the normal distribution.
_WIDTH = 1.959964
_LEAST_PROBABILITY = 1e-12


def report(db: Connection, name: str, members: str, non_members: str) -> list[dict[str, Any]]:
    """How well the model's loss tells members from others: one row with the area, its interval, and the advantage."""
    with search_path.pinned(db):
        model = models.find(db, name, None, ("classification",))
        if not model.labels:
            raise InvalidInput(
                f'model "{model.name}" has no labels of its own', hint="It is about what a classifier has learnt from."
            )
        classifier = scoring.Classifier(db, model.name, scoring.Candidates(None), multi_label=False)
    inside, outside = (_losses(db, classifier, model.labels, query) for query in (members, non_members))
    area, low, high = auc(inside, outside)
    return [
        {
            "auc": area,
            "low": low,
            "high": high,
            "advantage": advantage(inside, outside),
            "member_rows": len(inside),
            "non_member_rows": len(outside),
        }
    ]


def _losses(db: Connection, classifier: scoring.Classifier, labels: Sequence[str], query: str) -> list[float]:
    """The cross-entropy of each row's label, in nats; blank texts are left out."""
    losses: list[float] = []
    for rows in labelled_rows.read(db, query, "classify"):
        with search_path.pinned(db):
            scores = classifier.scores([text for text, _ in rows])
        for (_, label), row in zip(rows, scores, strict=True):
            if label not in labels:
                raise InvalidInput(f'the model does not know the label "{label}"', hint=f"Its labels: {labels[:20]}.")
            if row:
                losses.append(-math.log(max(row[label], _LEAST_PROBABILITY)))
        if len(losses) > MOST_ROWS:
            raise InvalidInput(f"a query yields more than {MOST_ROWS:,} rows", hint="That many are enough: LIMIT.")
    if len(losses) < LEAST_ROWS:
        raise InvalidInput(
            f"a query yields {len(losses)} rows with a text, and {LEAST_ROWS} are the least that tell anything"
        )
    return losses


def auc(members: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The share of pairs in which the member has the smaller loss, ties half, and its 95 % interval (DeLong 1988)."""
    of_members, of_others = _shares(members, others), [1 - share for share in _shares(others, members)]
    area = sum(of_members) / len(members)
    width = _WIDTH * math.sqrt(variance(of_members) / len(members) + variance(of_others) / len(others))
    return area, max(0.0, area - width), min(1.0, area + width)


def _shares(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """For each of some losses the share of others that are larger, ties half."""
    ordered = sorted(others)
    return [
        1 - (bisect.bisect_left(ordered, one) + bisect.bisect_right(ordered, one)) / 2 / len(ordered) for one in ones
    ]


def advantage(members: Sequence[float], others: Sequence[float]) -> float:
    """The most by which the share of members below some loss exceeds that of others: 0 to 1.

    It is of the rows that it is told of, and above 0 by chance too.
    """
    steps: dict[float, float] = {}
    for losses, weight in ((members, 1 / len(members)), (others, -1 / len(others))):
        for loss in losses:
            steps[loss] = steps.get(loss, 0.0) + weight
    return max(0.0, *accumulate(steps[loss] for loss in sorted(steps)))
