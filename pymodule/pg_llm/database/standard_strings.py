"""Literals as standard SQL reads them, while our own statements or kept expressions run: a backslash is a backslash."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pg_llm.database.connection import Connection


@contextlib.contextmanager
def pinned(db: Connection) -> Iterator[None]:
    """Read texts as the host's parser does: a backslash is a backslash, and a statement ends where it says."""
    before = db.setting("standard_conforming_strings") or "on"
    setting = "SELECT pg_catalog.set_config('standard_conforming_strings', $1, true)"
    db.rows(setting, ("text",), ("on",))
    yield
    # No `finally` needed: after an error, the rollback restores the setting.
    db.rows(setting, ("text",), (before,))
