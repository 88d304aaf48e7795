"""A peer's part of a round: the gradient of the loss over the rows of an agreement, at weights that it is sent.

Nothing that is sent back holds a text or a label: not the sums, and no message of an error either.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from array import array
from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.models import Model
from pg_llm.errors import Error, InvalidInput
from pg_llm.federation import agreements, budget, sums
from pg_llm.federation.agreements import Agreement
from pg_llm.federation.sums import Sums
from pg_llm.training.labelled_rows import LabelledRow

# Rows whose gradients are summed in one call.
_BATCH = 512
# Larger ones mean nothing, and numbers would overflow.
_LARGEST_WEIGHT = 1e6


def update(db: Connection, name: str, weights: bytes) -> bytes:
    """The sums over the agreement's rows, in the wire format. Each call takes a round, also one that fails."""
    agreement = agreements.find(db, name)
    base = agreement.model(db)
    length = ((base.dimensions or 0) + 1) * len(agreement.labels)
    table = sums.decode(weights, length)
    if table is None or max(map(abs, table)) > _LARGEST_WEIGHT:
        raise InvalidInput(
            f"weights are {length} finite numbers, a table of {base.dimensions} dimensions and the bias for each of"
            f" {len(agreement.labels)} labels, no larger than {_LARGEST_WEIGHT:g}",
            hint="Their form is little-endian float64, row by row.",
        )
    agreement.spend(db)
    values = _sums(db, agreement, base, weights, _read(db, agreement))
    return sums.encode(_noisy(db, agreement, values) if agreement.options["epsilon"] else values)


def _read(db: Connection, agreement: Agreement) -> list[LabelledRow]:
    try:
        return agreement.read(db)
    except (DatabaseError, Error) as error:
        if agreement.row["mine"] or (isinstance(error, DatabaseError) and error.sqlstate == CANCELLED):
            raise
        # What the server says of a row may repeat it.
        raise InvalidInput(
            f'the rows of the agreement "{agreement.row["name"]}" cannot be read',
            hint="Its owner sees why by calling llm_federated_update() as well.",
        ) from None


def _sums(db: Connection, agreement: Agreement, base: Model, weights: bytes, rows: list[LabelledRow]) -> sums.Vector:
    options = agreement.options
    position = {label: number for number, label in enumerate(agreement.labels)}
    given = {
        "weights": base64.b64encode(weights).decode("ascii"),
        "labels": len(position),
        "multi_label": agreement.row["task"] == "tag",
        "clip": options["clip"] if options["epsilon"] else None,
    }
    # With noise nothing is measured, as counts would tell of rows without any.
    share = 0 if options["epsilon"] else options["validation"]
    total = sums.zeros(len(weights) // 8 + sums.OTHERS)
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        vectors = base.run("text_vectors", [text for text, _ in batch])
        truths = [[position[label] for label in ([truth] if isinstance(truth, str) else truth)] for _, truth in batch]
        others = json.dumps({"truths": truths, "held_back": [_is_held_back(text, share) for text, _ in batch]})
        request = f'{{"vectors":[{",".join(vectors)}],{others[1:]}'
        (encoded,) = models.run_without_model(db, "federated_gradient", [request], **given)
        total = sums.add(total, _decoded(encoded, len(total)))
    return total


def _is_held_back(text: str, share: float) -> bool:
    """The same texts each time, whatever else the query yields."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4]) < share * (1 << 32)


def _noisy(db: Connection, agreement: Agreement, values: sums.Vector) -> sums.Vector:
    told = Sums.of(values)
    options: dict[str, Any] = {
        "rho": budget.rho_of_round(agreement.options, agreement.row["rounds"]),
        "distance": budget.distance(agreement.options),
        "nonce": secrets.token_hex(16),
    }
    exact = base64.b64encode(sums.encode(told.gradient)).decode("ascii")
    (encoded,) = models.run_without_model(db, "federated_noise", [exact], **options)
    told.gradient = _decoded(encoded, len(told.gradient))
    return told.values


def _decoded(encoded: str, length: int) -> sums.Vector:
    values = sums.decode(base64.b64decode(encoded), length)
    if values is None:
        raise Error("a gradient is not finite")
    return array("d", values)
