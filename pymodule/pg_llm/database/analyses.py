"""Analyses in the process that the model host keeps for this session: it remembers what it was told before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.runtime import client

# The options of a message and its texts.
Message = tuple[dict[str, Any], Sequence[str]]


def tell(db: Connection, task: str, messages: Sequence[Message]) -> list[str]:
    """The answer to each message, in order; a query that is cancelled ends the process."""
    requests = [{"op": "work", "task": task, "options": options, "inputs": list(texts)} for options, texts in messages]
    return [answers[0] for answers in client.ask(models.engine(db), requests, db.poll)]


def ask(db: Connection, task: str, options: dict[str, Any], *texts: str) -> str:
    """The answer to one message."""
    return tell(db, task, [(options, texts)])[0]
