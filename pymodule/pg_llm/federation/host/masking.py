"""The tasks `federated_mask` and `federation_key`: pairwise masks that cancel in the sum of all peers (Bonawitz 2017).

Each agreement has a key of its own on X25519, derived from a secret of the data directory. Two peers derive from their
keys, and from what the round is about, a stream of ChaCha20 that one adds and the other subtracts. `federated_mask`
takes base64 of the wire format of sums and gives base64 of unsigned 64-bit numbers, little-endian: fixed-point values
with the masks of all others added, modulo 2^64. Options: `id` of the agreement, `others` (public keys), and `context`,
which no two rounds share. `federation_key` takes ids and gives their public keys.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pg_llm.errors import InvalidInput
from pg_llm.federation.sums import MASK_SCALE
from pg_llm.models.engine import Engine
from pg_llm.privacy.host import fingerprints
from pg_llm.protocol import FOLDER
from pg_llm.tasks import WorkItem

FILE = Path(FOLDER, "federation.key")
# What is larger is cut, so that a sum over all peers fits into 64 bits.
_LARGEST = float(1 << 32)
_KEY, _NONCE = 32, bytes(16)


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per input."""
    if "context" not in options:
        return [WorkItem((), lambda _, id_=id_: public(private_key(id_))) for id_ in inputs]  # type: ignore[misc]
    own = private_key(options["id"])
    others, context = options["others"], bytes.fromhex(options["context"])

    def result(text: str) -> str:
        values = np.frombuffer(base64.b64decode(text), dtype="<f8")
        return base64.b64encode(masked(values, own, others, context).astype("<u8").tobytes()).decode("ascii")

    return [WorkItem((), lambda _, text=text: result(text)) for text in inputs]  # type: ignore[misc]


def private_key(id_: str) -> X25519PrivateKey:
    """The key of an agreement; nobody else's agreement has it, whatever it is called."""
    return X25519PrivateKey.from_private_bytes(_derived(fingerprints.key(FILE), b"agreement " + id_.encode()))


def public(key: X25519PrivateKey) -> str:
    """Its public half, 64 hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def masked(values: Any, own: X25519PrivateKey, others: Sequence[str], context: bytes) -> Any:
    """Fixed-point values plus the masks that are shared with each of the others."""
    bounded = np.clip(values, -_LARGEST, _LARGEST) * MASK_SCALE
    total = np.rint(bounded).astype(np.int64).view(np.uint64)
    for other in others:
        mask = _mask(own, other, context, len(values))
        total = total + mask if public(own) < other else total - mask
    return total


def _mask(own: X25519PrivateKey, other: str, context: bytes, length: int) -> Any:
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(other)))
    except ValueError as error:
        raise InvalidInput("a key of a peer is none", hint="llm_federations() shows each its own.") from error
    stream = Cipher(algorithms.ChaCha20(_derived(shared, b"mask " + context), _NONCE), mode=None).encryptor()
    return np.frombuffer(stream.update(bytes(8 * length)), dtype="<u8").astype(np.uint64)


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), _KEY, salt=b"pg_llm federation", info=purpose).derive(secret)
