"""Keyed hashes of texts (HMAC-SHA-256), by which a text is known again and by which nobody can try texts out.

The key is made once in a data directory; it is in no table and in no dump.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pg_llm.errors import Error
from pg_llm.models.engine import Engine
from pg_llm.protocol import FOLDER
from pg_llm.tasks import WorkItem

FILE = Path(FOLDER, "lineage.key")
_BYTES = 32
# Hexadecimal digits that are kept of a hash.
_KEPT = 32


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """What tells the key from others and the hash of each text, as JSON; case and white space do not count."""
    secret = key(FILE)
    name = hmac.digest(secret, b"name", "sha256").hex()[:16]

    def result(text: str) -> str:
        normal = " ".join(text.split()).casefold().encode("utf-8", "surrogatepass")
        return json.dumps([name, hmac.digest(secret, b"text " + normal, "sha256").hex()[:_KEPT]])

    return [WorkItem((), lambda _, text=text: result(text)) for text in inputs]  # type: ignore[misc]


def key(path: Path) -> bytes:
    """The key of a file, which is made where there is none; whoever makes it at the same moment makes the same one."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
        with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link fails where somebody was faster: then theirs is the key.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    secret = path.read_bytes()
    if len(secret) != _BYTES:
        raise Error(f"{path} in the data directory is damaged", hint="Restore it from a backup of the data directory.")
    return secret
