"""Dead letters: records that could not be taken, kept with the error until somebody has them taken again."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner

# Bytes of a payload that are kept.
MOST_BYTES = 1_000_000
# An error may repeat what it could not read.
_LONGEST_ERROR = 2000
_KEEP = """
    INSERT INTO llm.all_stream_dead_letter (stream, partition, position, payload, key, sent_at, whole, error, sqlstate)
    SELECT $1, ($3)[d.place + 1], d.position, decode(d.payload, 'base64'), d.key, to_timestamp(d.time / 1000), d.whole,
           d.error, d.sqlstate
    FROM jsonb_to_recordset($2::jsonb) AS d (
        place int, position int8, payload text, key text, time float8, whole bool, error text, sqlstate text
    )
"""
_TAKE = """
    SELECT d.id, d.partition, d.position, encode(d.payload, 'base64') AS payload, d.key,
           (extract(epoch FROM d.sent_at) * 1000)::float8 AS time
    FROM llm.all_stream_dead_letter AS d
    WHERE d.stream = $1 AND d.id > $2 AND ($3 IS NULL OR d.id = $3) AND d.whole AND d.payload IS NOT NULL
    ORDER BY d.id LIMIT $4 FOR UPDATE OF d
"""
_REMOVE = "DELETE FROM llm.all_stream_dead_letter AS d WHERE d.id = ANY($1)"
_STILL = """
    UPDATE llm.all_stream_dead_letter AS d SET error = s.error, sqlstate = s.sqlstate, died_at = clock_timestamp()
    FROM jsonb_to_recordset($1::jsonb) AS s (id int8, error text, sqlstate text) WHERE d.id = s.id
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that cannot be taken; `payload` is in base64, `place` is the number of its partition."""

    place: int
    position: int
    payload: str | None
    key: str | None
    time: float | None
    whole: bool
    error: str
    sqlstate: str

    @classmethod
    def of_bytes(
        cls,
        payload: bytes | None,
        place: int,
        position: int,
        key: str | None,
        time: float | None,
        error: str,
        sqlstate: str,
    ) -> DeadLetter:
        """One whose payload came as these bytes, of which no more than the beginning is kept."""
        kept = base64.b64encode(payload[:MOST_BYTES]).decode() if payload is not None else None
        whole = payload is None or len(payload) <= MOST_BYTES
        return cls(place, position, kept, key, time, whole, error[:_LONGEST_ERROR], sqlstate)

    @classmethod
    def of_text(
        cls,
        payload: str,
        place: int,
        position: int,
        key: str | None,
        time: str | float | None,
        error: str,
        sqlstate: str,
    ) -> DeadLetter:
        """One whose payload was read as text."""
        moment = float(time) if time is not None else None
        return cls.of_bytes(payload.encode(), place, position, key, moment, error, sqlstate)


@as_extension_owner
def keep(db: Connection, stream: int, partitions: Sequence[str], letters: Sequence[DeadLetter]) -> None:
    """Keep them; a letter's place is the number of its partition in the list."""
    if letters:
        told = json.dumps([asdict(letter) for letter in letters])
        db.rows(_KEEP, ("int4", "text", "text[]"), (stream, told, list(partitions)))


@as_extension_owner
def take(db: Connection, stream: int, after: int, number: int | None, limit: int) -> list[Row]:
    """Lock whole letters of a stream, or one of them, in order."""
    return db.rows(_TAKE, ("int4", "int8", "int8", "int8"), (stream, after, number, limit))


@as_extension_owner
def settle(db: Connection, taken: Sequence[int], failed: Sequence[tuple[int, str, str]]) -> None:
    """Remove letters that were taken, and note what is wrong with the others now."""
    db.rows(_REMOVE, ("int8[]",), (list(taken),))
    still = [{"id": number, "error": error[:_LONGEST_ERROR], "sqlstate": state} for number, error, state in failed]
    db.rows(_STILL, ("text",), (json.dumps(still),))
