"""Files to text: what a document says, whatever program wrote it."""

from __future__ import annotations

import base64

from pg_llm.database import models
from pg_llm.database.connection import Connection


def text_of(db: Connection, document: bytes, mime: str | None) -> str:
    """The text of a file of that type, or of the type that its content shows."""
    encoded = base64.b64encode(document).decode("ascii")
    return str(models.run_without_model(db, "parsing", [encoded], mime=mime)[0])
