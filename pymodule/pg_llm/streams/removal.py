"""What has a name among streams is forgotten: a stream, windows, or an alert."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.streams import alerting, definition, lifecycle, windowing


def drop(db: Connection, name: str) -> None:
    """Forget what has that name. Raises UndefinedStream."""
    if (number := alerting.find(db, name)) is not None:
        alerting.drop(db, number)
    elif row := windowing.find(db, name):
        windowing.drop(db, row)
    else:
        lifecycle.drop(db, definition.find(db, name))
