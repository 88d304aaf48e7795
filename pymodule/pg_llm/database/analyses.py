"""Analyses in the process that the model host keeps for this session: it remembers what it was told before."""

from __future__ import annotations

from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.runtime import client


def ask(db: Connection, task: str, options: dict[str, Any], *texts: str) -> str:
    """The answer of the process to a message; a query that is cancelled ends the process."""
    request = {"op": "work", "task": task, "options": options, "inputs": list(texts)}
    answers: list[list[str]] = client.ask(models.engine(db), [request], db.poll)
    return answers[0][0]
