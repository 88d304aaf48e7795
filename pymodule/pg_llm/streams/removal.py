"""What has a name among streams is forgotten: a stream, windows, or an alert."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.streams import alerting, definition, lifecycle, table_source, windowing, windows


def drop(db: Connection, name: str) -> None:
    """Forget what has that name. Raises UndefinedStream."""
    if (number := alerting.find(db, name)) is not None:
        alerting.drop(db, number)
    elif row := windowing.find(db, name):
        windowing.drop(db, row)
    elif (number := table_source.find(db, name)) is not None:
        # Of whoever had the table before: the tables of its windows are theirs, and stay.
        lifecycle.drop(db, number)
    else:
        stream = definition.find(db, name)
        for window in windows.of_stream(db, stream):
            windowing.drop(db, {"own": True, "stream": stream.id, "relation": window.relation, "id": window.id})
        lifecycle.drop(db, stream.id)
