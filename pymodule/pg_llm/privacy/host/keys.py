"""The key of pseudonyms: read from a file or the environment of the server, and never sent anywhere.

As a task it gives for the place of a key its fingerprint, which tells it from others and nothing about it; option
`nonce` makes every call one of its own. Each use has a key that is derived from it (HKDF, RFC 5869).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine
from pg_llm.protocol import FOLDER
from pg_llm.settings import KEY_PLACE
from pg_llm.tasks import WorkItem

# Relative to the data directory, where only the server's own user writes.
_KEYS = Path(FOLDER, "keys")
_LEAST, _MOST = 32, 4096


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per place."""
    return [WorkItem((), lambda _, source=source: Key(source).fingerprint) for source in inputs]  # type: ignore[misc]


class Key:
    """The key at a place; `derive` gives what to work with."""

    def __init__(self, source: str) -> None:
        secret = _read(source).strip()
        if not _LEAST <= len(secret) <= _MOST:
            raise InvalidInput(
                f"{source} holds no key: it takes {_LEAST} to {_MOST} characters",
                hint="openssl rand -base64 48 makes one.",
            )
        self._secret = hmac.digest(b"pg_llm privacy", secret, "sha256")

    @classmethod
    def registered(cls, key: dict[str, str]) -> Key:
        """The key as it was registered. Raises InvalidInput where another lies in its place."""
        found = cls(key["source"])
        if not hmac.compare_digest(found.fingerprint, key["fingerprint"]):
            raise InvalidInput(
                f'the key in {key["source"]} is not the one that was registered as "{key["name"]}"',
                hint="Put the old one back, or register the new one under another name.",
            )
        return found

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits."""
        return self.derive("fingerprint", 8).hex()

    def derive(self, purpose: str, size: int) -> bytes:
        """A key for a purpose, of at most 64 bytes."""
        first = hmac.digest(self._secret, purpose.encode() + b"\x01", "sha256")
        return (first + hmac.digest(self._secret, first + purpose.encode() + b"\x02", "sha256"))[:size]

    def mac(self, purpose: str, *parts: str) -> bytes:
        """HMAC-SHA-256 of some texts, whose lengths count too."""
        message = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
        return hmac.new(self.derive(purpose, 32), message, hashlib.sha256).digest()


def _read(source: str) -> bytes:
    if not KEY_PLACE.fullmatch(source):
        raise InvalidInput(
            f'not the place of a key: "{source}"',
            hint="Write file:NAME for a file in pg_llm/keys of the data directory, or env:NAME for the server's"
            " environment.",
        )
    kind, _, name = source.partition(":")
    if kind == "env":
        return os.environ.get(name, "").encode()
    try:
        with open(_KEYS / name, "rb") as file:
            return file.read(_MOST + 2)
    except OSError as error:
        raise InvalidInput(
            f"the key in {_KEYS / name} of the data directory cannot be read: {error.strerror}",
            hint="The server's user must be able to read it.",
        ) from error
