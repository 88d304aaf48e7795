"""Chunks of a document: parts that an embedding model reads whole, with their places."""

from __future__ import annotations

import json
from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import Connection

METHODS = ("auto", "none", "sentences", "recursive", "markdown", "tokens")


def chunks(
    db: Connection, text: str, chunking: str, tokens: int | None, overlap: int, model: str | None
) -> list[tuple[int, str, int, int]]:
    """Each chunk with its number from 1, and its first character and the one behind its last, counted from 1."""
    options: dict[str, Any] = {"chunking": chunking, "tokens": tokens, "overlap": overlap}
    (result,) = models.find(db, model, "embedding").run("chunking", [text], **options)
    return [(number, text[start:end], start + 1, end + 1) for number, (start, end) in enumerate(json.loads(result), 1)]
