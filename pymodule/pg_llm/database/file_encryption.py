"""Encryption of trained models' files in the database: the model host does it, with a key that only the server reads.

A model's wrapped data key lies beside its files, as one of them, so that dumps, replicas and deletion take it along.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

from pg_llm import settings
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

# The path of the wrapped data key; no file that a model is read from has this name.
DATA_KEY = ".data_key"
_SETTING = "llm.model_file_key"


def key_place() -> str | None:
    """Where the key lies by the server's configuration files, whatever the session has SET; None for no encryption."""
    # Imports asyncio, and is rarely needed.
    from pg_llm.runtime import configuration

    return settings.key_place(_SETTING, configuration.configured(_SETTING))


class Cipher:
    """Seals and opens the parts of one model's files under its data key."""

    def __init__(self, db: Connection, place: str | None, digest: str, data_key: bytes | None = None) -> None:
        """A new data key where none is given. Raises InvalidInput where one is and the configuration names no key."""
        if place is None:
            raise InvalidInput(
                f"the files of the trained model {digest} are encrypted, and {_SETTING} names no key",
                hint=f"Set {_SETTING} in postgresql.conf to the place of the key, such as file:NAME for a file in"
                " pg_llm/keys of the data directory, and reload the configuration.",
            )
        self._db, self._place, self._digest = db, place, digest
        self.data_key = self._run("new", b"") if data_key is None else data_key

    def seal(self, path: str, part: int, content: bytes) -> bytes:
        """A part of a file, encrypted."""
        return self._run("seal", content, data_key=_text(self.data_key), path=path, part=part)

    def open(self, path: str, part: int, sealed: bytes) -> bytes:
        """A part of a file, decrypted. Raises ModelFilesMissing for one that was changed or is another's."""
        return self._run("open", sealed, data_key=_text(self.data_key), path=path, part=part)

    def is_current(self) -> bool:
        """Whether the data key is wrapped by the key that the configuration names."""
        return bool(self._run("fits", self.data_key))

    def rewrapped(self, old: str) -> bytes:
        """The data key, which the key at another place has wrapped, wrapped by the one that the configuration names."""
        return self._run("rewrap", self.data_key, old=old)

    def _run(self, action: str, content: bytes, **options: Any) -> bytes:
        # Another key may lie in the place by now, and what is decrypted is not to be remembered as an answer.
        given = {"action": action, "key": self._place, "digest": self._digest, "nonce": secrets.token_hex(8), **options}
        (result,) = models.run_without_model(self._db, "file_encryption", [_text(content)], **given)
        return base64.b64decode(result)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
