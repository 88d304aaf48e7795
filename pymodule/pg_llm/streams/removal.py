"""What has a name among streams is forgotten: a stream, windows, or an alert."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.streams import alerting, definition, lifecycle, windowing, windows


def drop(db: Connection, name: str) -> None:
    """Forget what has that name. Raises UndefinedStream."""
    if (number := alerting.find(db, name)) is not None:
        alerting.drop(db, number)
    elif row := windowing.find(db, name):
        windowing.drop(db, row)
    else:
        stream = definition.find(db, name)
        for window in windows.of_stream(db, stream):
            windowing.drop(db, {"own": True, "stream": stream.id, "relation": window.relation, "id": window.id})
        lifecycle.drop(db, stream)
