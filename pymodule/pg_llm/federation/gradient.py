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
from pg_llm.errors import Error, InsufficientPrivilege, InvalidInput
from pg_llm.federation import agreements, budget, sums
from pg_llm.federation.agreements import Agreement
from pg_llm.federation.sums import Sums
from pg_llm.training.labelled_rows import LabelledRow

# Larger ones mean nothing, and numbers would overflow.
_LARGEST_WEIGHT = 1e6
_LONGEST_NONCE = 100


def update(db: Connection, name: str, weights: bytes, nonce: str | None) -> bytes:
    """The sums over the agreement's rows, in the wire format. Each call takes a round, also one that fails.

    Of an agreement that is paired they are masked, so that only the sum over all that it is paired with means anything.
    """
    agreement = agreements.find(db, name)
    if (nonce is None) == agreement.paired or len(nonce or "-") > _LONGEST_NONCE or nonce == "":
        raise InvalidInput(
            "an agreement that is paired takes a nonce, a text that no round has had, and no other one does",
            hint="That is llm_federate(…, method => 'secure'); llm_pair_federation() pairs an agreement.",
        )
    base = agreement.model(db)
    length = ((base.dimensions or 0) + 1) * len(agreement.labels)
    table = sums.decode(weights, length)
    if table is None or max(map(abs, table)) > _LARGEST_WEIGHT:
        raise InvalidInput(
            f"weights are {length} finite numbers, a table of {base.dimensions} dimensions and the bias for each of"
            f" {len(agreement.labels)} labels, no larger than {_LARGEST_WEIGHT:g}",
            hint="Their form is little-endian float64, row by row.",
        )
    agreement.spend(db, nonce)
    values = _sums(db, agreement, base, weights)
    told = sums.encode(_noisy(db, agreement, values) if agreement.options["epsilon"] else values)
    return told if nonce is None else _masked(db, agreement, told, weights, nonce)


def _masked(db: Connection, agreement: Agreement, told: bytes, weights: bytes, nonce: str) -> bytes:
    """The sums with the masks of all others, never of some: the difference of two sums would be a peer's own."""
    own, others = agreement.key(db), list(agreement.row["peer_keys"])
    # Masks cancel between those only who were asked for the same.
    about = [hashlib.sha256(weights).hexdigest(), sorted([own, *others]), nonce]
    context = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    options = {"id": agreement.row["id"], "others": others, "context": context}
    text = base64.b64encode(told).decode("ascii")
    (encoded,) = models.run_without_model(db, "federated_mask", [text], **options)
    return base64.b64decode(encoded)


def _sums(db: Connection, agreement: Agreement, base: Model, weights: bytes) -> sums.Vector:
    """The sums over all rows. Raises InvalidInput where they cannot be read, without a word of them."""
    given = {
        "weights": base64.b64encode(weights).decode("ascii"),
        "labels": len(agreement.labels),
        "multi_label": agreement.row["task"] == "tag",
        "clip": agreement.options["clip"] if agreement.options["epsilon"] else None,
    }
    # With noise nothing is measured, as counts would tell of rows without any.
    share = 0 if agreement.options["epsilon"] else agreement.options["validation"]
    position = {label: number for number, label in enumerate(agreement.labels)}
    total = sums.zeros(len(weights) // 8 + sums.OTHERS)

    def add(rows: list[LabelledRow]) -> None:
        nonlocal total
        vectors = base.run("text_vectors", [text for text, _ in rows])
        truths = [[position[label] for label in agreements.labels_of(truth)] for _, truth in rows]
        others = json.dumps({"truths": truths, "held_back": [_is_held_back(text, share) for text, _ in rows]})
        request = f'{{"vectors":[{",".join(vectors)}],{others[1:]}'
        (encoded,) = models.run_without_model(db, "federated_gradient", [request], **given)
        total = sums.add(total, _decoded(encoded, len(total)))

    try:
        agreement.read(db, add)
    except (DatabaseError, InvalidInput, InsufficientPrivilege) as error:
        if agreement.row["mine"] or (isinstance(error, DatabaseError) and error.sqlstate == CANCELLED):
            raise
        # What the server says of a row may repeat it.
        raise InvalidInput(
            f'the rows of the agreement "{agreement.row["name"]}" cannot be read',
            hint="Its owner sees why by calling llm_federated_update() as well.",
        ) from None
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
