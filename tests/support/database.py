"""What tests and benchmarks share: where things lie, what goes into a database, one value from a query."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[2]
# The public data that quality is measured on; it lies beside the clone.
DATA = Path(os.environ.get("PG_LLM_DATA", ROOT.parent / "shared" / "data"))


def install(host: str, port: int, user: str, dbname: str, password: str | None, **_: Any) -> None:
    with psycopg.connect(host=host, port=port, user=user, dbname=dbname, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("CREATE EXTENSION pg_llm CASCADE")


def value(connection: psycopg.Connection, query: str, *parameters: Any) -> Any:
    """The first value of the first row."""
    row = connection.execute(query, parameters or None).fetchone()
    assert row is not None
    return row[0]


def write_key(db: psycopg.Connection, name: str, secret: str) -> None:
    """A file of keys, by the server's own user: whoever makes the folder keeps others from it."""
    db.execute(f"COPY (SELECT '{secret}') TO PROGRAM 'mkdir -p pg_llm/keys && cat > pg_llm/keys/{name}'")
