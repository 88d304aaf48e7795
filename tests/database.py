"""What tests share beside fixtures: where things lie, and one value from a query."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[1]
# The public data that quality is measured on; it lies beside the clone.
DATA = Path(os.environ.get("PG_LLM_DATA", ROOT.parent / "shared" / "data"))


def value(connection: psycopg.Connection, query: str, *parameters: Any) -> Any:
    """The first value of the first row."""
    row = connection.execute(query, parameters or None).fetchone()
    assert row is not None
    return row[0]
