"""Whether a stream runs, rests, or was stopped by an error."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.database.security_context import as_extension_owner

_LONGEST_ERROR = 2000
_SET = "UPDATE llm.all_stream AS s SET state = $2, error = $3 WHERE s.id = $1"
_REPORT = "UPDATE llm.stream_offset AS o SET error = $3 WHERE o.stream = $1 AND ($2 IS NULL OR o.partition = $2)"
_OF_STREAM = "UPDATE llm.all_stream AS s SET error = $2 WHERE s.id = $1 AND s.error IS DISTINCT FROM $2"


@as_extension_owner
def set_state(db: Connection, stream: int, state: str, error: str | None) -> None:
    """Set the state of a stream, and the error that has stopped it."""
    db.rows(_SET, ("int4", "text", "text"), (stream, state, error[:_LONGEST_ERROR] if error else None))


@as_extension_owner
def report(db: Connection, stream: int, partition: str | None, error: str | None) -> None:
    """Say what keeps a worker from reading a partition, or the stream; None says that nothing does any more."""
    told = error[:_LONGEST_ERROR] if error else None
    if partition is None:
        db.rows(_OF_STREAM, ("int4", "text"), (stream, told))
    else:
        db.rows(_REPORT, ("int4", "text", "text"), (stream, partition, told))
