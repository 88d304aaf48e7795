"""Chunks of a document: parts that an embedding model reads whole, with their places."""

from __future__ import annotations

import json
from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

METHODS = ("auto", "none", "sentences", "recursive", "markdown", "tokens")
_FEWEST, _MOST = 8, 8192
# The longest overlap where the length of a chunk is left to the model.
_MOST_OVERLAP = 64


def check_sizes(tokens: int | None, overlap: int) -> None:
    """Raise InvalidInput for chunks that are too short or too long, or repeat more than half of themselves."""
    if tokens is not None and not _FEWEST <= tokens <= _MOST:
        raise InvalidInput(
            f"chunk_tokens must lie between {_FEWEST} and {_MOST}", hint="NULL fills the model's window."
        )
    if not 0 <= overlap <= (tokens // 2 if tokens else _MOST_OVERLAP):
        raise InvalidInput("chunk_overlap must lie between 0 and half of chunk_tokens")


def chunks(
    db: Connection, text: str, chunking: str, tokens: int | None, overlap: int, model: str | None
) -> list[tuple[int, str, int, int]]:
    """Each chunk with its number from 1, and its first character and the one behind its last, counted from 1."""
    options: dict[str, Any] = {"chunking": chunking, "tokens": tokens, "overlap": overlap}
    (result,) = models.find(db, model, "embedding").run("chunking", [text], **options)
    return [(number, text[start:end], start + 1, end + 1) for number, (start, end) in enumerate(json.loads(result), 1)]
