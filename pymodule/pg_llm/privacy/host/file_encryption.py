"""Envelope encryption of trained models' files: a data key of each model's own, which the server's key wraps.

AES-256-GCM (NIST SP 800-38D). What is authenticated beside a part is whose it is: model, path, number.

Options: `action` of `ACTIONS`, `key` and `digest`; `old` to wrap anew; `data_key`, `path` and `part` to seal and open.
All bytes are in base64.
"""

from __future__ import annotations

import base64
import functools
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pg_llm.errors import InvalidInput, ModelFilesMissing
from pg_llm.models.engine import Engine
from pg_llm.privacy.host.keys import Key
from pg_llm.tasks import WorkItem

_FORMAT = b"\x01"
_PURPOSE = "model files"
_FINGERPRINT, _NONCE, _KEY, _TAG = 8, 12, 32, 16


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per input: nothing for a new data key, a wrapped data key, or a part of a file."""
    action = ACTIONS[options["action"]]

    def result(content: str) -> str:
        return base64.b64encode(action(base64.b64decode(content), options)).decode()

    return [WorkItem((), functools.partial(lambda content, _: result(content), each)) for each in inputs]


def _new(_: bytes, options: dict[str, Any]) -> bytes:
    return _wrap(AESGCM.generate_key(8 * _KEY), Key(options["key"]), options["digest"])


def _rewrap(wrapped: bytes, options: dict[str, Any]) -> bytes:
    return _wrap(_unwrap(wrapped, options["old"], options["digest"]), Key(options["key"]), options["digest"])


def _seal(content: bytes, options: dict[str, Any]) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + _cipher(options).encrypt(nonce, content, _whose(options))


def _open(sealed: bytes, options: dict[str, Any]) -> bytes:
    try:
        return _cipher(options).decrypt(sealed[:_NONCE], sealed[_NONCE:], _whose(options))
    except (InvalidTag, ValueError) as error:
        raise _changed(options["digest"]) from error


def _fits(wrapped: bytes, options: dict[str, Any]) -> bytes:
    """One byte if the data key is wrapped by the key, else none."""
    return b"\x01" if wrapped[1 : 1 + _FINGERPRINT] == _fingerprint(Key(options["key"])) else b""


ACTIONS: dict[str, Callable[[bytes, dict[str, Any]], bytes]] = {
    "new": _new,
    "rewrap": _rewrap,
    "fits": _fits,
    "seal": _seal,
    "open": _open,
}


def _cipher(options: dict[str, Any]) -> AESGCM:
    return AESGCM(_unwrap(base64.b64decode(options["data_key"]), options["key"], options["digest"]))


def _whose(options: dict[str, Any]) -> bytes:
    return json.dumps([options["digest"], options["path"], options["part"]]).encode()


def _fingerprint(key: Key) -> bytes:
    return key.derive(f"{_PURPOSE}: fingerprint", _FINGERPRINT)


def _wrap(data_key: bytes, key: Key, digest: str) -> bytes:
    head = _FORMAT + _fingerprint(key)
    nonce = os.urandom(_NONCE)
    return head + nonce + AESGCM(key.derive(_PURPOSE, _KEY)).encrypt(nonce, data_key, head + digest.encode())


def _unwrap(wrapped: bytes, place: str, digest: str) -> bytes:
    """The data key. Raises InvalidInput for another key than the one that wrapped it, ModelFilesMissing if changed."""
    key = Key(place)
    head = _FORMAT + _fingerprint(key)
    if len(wrapped) != len(head) + _NONCE + _KEY + _TAG:
        raise _changed(digest)
    if wrapped[:1] == _FORMAT and wrapped[: len(head)] != head:
        raise InvalidInput(
            f"the files of the trained model {digest} are encrypted under another key than the one in {place}",
            hint="Put that key back in its place. Where the key was changed on purpose, keep the old one as well and"
            " call llm_encrypt_model_files(old_key => 'file:NAME').",
        )
    nonce, sealed = wrapped[len(head) : len(head) + _NONCE], wrapped[len(head) + _NONCE :]
    try:
        return AESGCM(key.derive(_PURPOSE, _KEY)).decrypt(nonce, sealed, head + digest.encode())
    except (InvalidTag, ValueError) as error:
        raise _changed(digest) from error


def _changed(digest: str) -> ModelFilesMissing:
    return ModelFilesMissing(f"the encrypted files of the trained model {digest} were changed and cannot be read")
