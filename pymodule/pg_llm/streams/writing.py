"""Taking a batch: results, dead letters, windows, alerts and the offsets after it, in one transaction.

What fails is halved until the records are found that fail by themselves. The caller has to hold the partitions, see
`lease`; whoever is refused has written nothing.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import Error, InvalidInput
from pg_llm.streams import alerts, dead_letters, definition, formats, history, lease, sources, state, transform, windows
from pg_llm.streams.dead_letters import DeadLetter
from pg_llm.streams.definition import Stream
from pg_llm.streams.formats import Undecodable
from pg_llm.streams.lease import Claim
from pg_llm.streams.transform import Output

# Classes of SQLSTATE that are no record's fault: short of resources, server, host or endpoint not to be had, locked.
_SURROUNDINGS = ("08", "25", "40", "53", "55", "57", "58")
# The transform, or a right that it needs, is not what it was: that stops the stream.
_DEFINITION = "42"
_WATERMARK = "SELECT min(o.watermark) AS watermark FROM llm.stream_offset AS o WHERE o.stream = $1"
_RECORD = """
    UPDATE llm.stream_offset AS o SET position = r.end_position, last_position = coalesce(r.last, o.last_position),
        rows = o.rows + r.rows, dead = o.dead + r.dead, skipped = o.skipped + r.skipped, late = o.late + r.late,
        batches = o.batches + 1, seconds = o.seconds + $3, written_at = clock_timestamp(), error = NULL,
        watermark = greatest(o.watermark, to_timestamp(r.latest)),
        lease_until = clock_timestamp() + make_interval(secs => $4)
    FROM jsonb_to_recordset($2::jsonb) AS r (
        partition text, end_position int8, last int8, rows int8, dead int8, skipped int8, late int8, latest float8
    )
    WHERE o.stream = $1 AND o.partition = r.partition
"""
# A row that only the extension may lock: anybody can take an advisory lock, and keep it.
_LOCK_PARTITIONS = """
    SELECT FROM llm.stream_offset AS o WHERE o.stream = $1 ORDER BY o.partition FOR UPDATE OF o
"""
_LOCK = "SELECT FROM llm.all_stream AS s WHERE s.id = $1 FOR NO KEY UPDATE OF s"
_LOCK_KEY = "SELECT FROM llm.all_stream AS s WHERE s.id = $1 FOR UPDATE OF s"


class Stopped(Exception):
    """What makes a stream stop: nothing of the batch is written."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(slots=True)
class Batch:
    """Records as JSON arrays of texts, the partitions that they are of, and what came of them.

    `payloads` are as they came, `objects` the same in JSON, null for those that are not in their format; `latest`, the
    last event times in seconds, and `late` are by number of the partition.
    """

    payloads: str
    objects: str
    places: str
    positions: str
    times: str
    keys: str
    claims: list[Claim]
    count: int
    dead: list[DeadLetter]
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    latest: dict[int, float] = field(default_factory=dict)
    late: Counter[int] = field(default_factory=Counter)
    dropped: Counter[int] = field(default_factory=Counter)


def write(db: Connection, number: int, claims: str, records: Sequence[str], dead: str) -> int:
    """Take a batch and set the offsets after it. Returns how many records were taken, -1 if the stream was stopped.

    `records` are payloads, places, positions, times and keys. Raises ConcurrentChange if another session holds a
    partition by now.
    """
    stream = definition.by_id(db, number)
    if stream.state != "running" or stream.publish is not None:
        return -1
    letters = [DeadLetter(**letter) for letter in json.loads(dead)]
    batch = read_batch(stream, [Claim(**claim) for claim in json.loads(claims)], records, letters)

    def claimed() -> tuple[Batch, int]:
        lease.fence(db, stream.id, batch.claims)
        return batch, batch.count

    return attempt(db, stream, claimed)


def attempt(db: Connection, stream: Stream, claim: Callable[[], tuple[Batch | None, int]]) -> int:
    """Take the batch that `claim` gives, if it gives one. Returns its number, -1 if the stream was stopped by it."""
    started = time.monotonic()
    try:
        with db.savepoint():
            batch, count = claim()
            if batch is not None:
                take(db, stream, batch)
                _finish(db, stream, batch, time.monotonic() - started)
    except Stopped as stopped:
        state.set_state(db, stream.id, "stopped", stopped.error)
        return -1
    return count


def take(db: Connection, stream: Stream, batch: Batch) -> None:
    """Write what comes of the records; those that cannot be taken are in `batch.failed` afterwards."""
    followers = windows.of_stream(db, stream), alerts.of_stream(db, stream)
    if any(followers):
        # Windows and alerts are read and written by one batch of the stream at a time.
        lock(db, stream.id)
    watermark = _watermark(db, stream.id) if stream.event_time is not None else None
    if batch.count:
        definition.as_owner(db, stream, lambda: _Piece(db, stream, batch, *followers, watermark).run(1, batch.count))
    windows.record_dropped(db, batch.dropped)


class _Piece:
    """Records of a batch that are taken by one statement where none of them fails."""

    def __init__(
        self,
        db: Connection,
        stream: Stream,
        batch: Batch,
        of_windows: list[windows.Window],
        of_alerts: list[alerts.Alert],
        watermark: str | None,
    ) -> None:
        self._db, self._stream, self._batch = db, stream, batch
        self._windows, self._alerts, self._watermark = of_windows, of_alerts, watermark
        try:
            described = db.describe(transform.described(stream))
        except DatabaseError as error:
            if error.sqlstate.startswith(_DEFINITION):
                raise Stopped(str(error)) from error
            raise
        output = Output([name for name, _ in described], stream.key)
        self._statement = transform.statement(stream, output, bool(of_windows or of_alerts))

    def run(self, first: int, last: int) -> None:
        """Take the records from the first to the last one."""
        try:
            with self._db.savepoint():
                marks = self._take(first, last)
        except (Error, DatabaseError) as error:
            self._failed(error, first, last)
        else:
            for place, (latest, late) in marks.items():
                if latest is not None:
                    self._batch.latest[int(place)] = max(latest, self._batch.latest.get(int(place), latest))
                self._batch.late[int(place)] += late

    def _take(self, first: int, last: int) -> dict[str, Any]:
        batch = self._batch
        names = [claim.partition for claim in batch.claims]
        given = (batch.objects, batch.places, batch.positions, batch.times, batch.keys)
        (row,) = self._db.rows(self._statement, transform.TYPES, (*given, names, first, last, self._watermark))
        if (self._windows or self._alerts) and row["written"] is not None:
            self._follow(row["written"], row["former"] or "[]")
        marks: dict[str, Any] = json.loads(row["marks"] or "{}")
        return marks

    def _follow(self, written: str, former: str) -> None:
        """Bring windows up to date and evaluate alerts for rows that were written and those that they replaced."""
        values: dict[int, str] = {}
        dropped: Counter[int] = Counter()
        for window in self._windows:
            changes = windows.update(self._db, self._stream, window, written, former, self._watermark)
            dropped[window.id] += changes.dropped
            values[window.id] = changes.rows
        for alert in self._alerts:
            rows = written if alert.window is None else values.get(alert.window, "[]")
            alerts.evaluate(self._db, self._stream, alert, rows)
        self._batch.dropped += dropped

    def _failed(self, error: Error | DatabaseError, first: int, last: int) -> None:
        code = error.sqlstate
        if code == CANCELLED or code.startswith(_SURROUNDINGS):
            raise error
        if code.startswith(_DEFINITION):
            raise Stopped(str(error)) from error
        if first < last:
            middle = (first + last) // 2
            self.run(first, middle)
            self.run(middle + 1, last)
        elif self._stream.on_error == "stop":
            claim, position = self._place(first)
            raise Stopped(f"record {position} of {claim.partition}: {error}") from error
        else:
            self._batch.failed.append((first, str(error), code))

    def _place(self, number: int) -> tuple[Claim, int]:
        place = int(json.loads(self._batch.places)[number - 1])
        return self._batch.claims[place], int(json.loads(self._batch.positions)[number - 1])


def _finish(db: Connection, stream: Stream, batch: Batch, seconds: float) -> None:
    places = [int(place) for place in json.loads(batch.places)]
    letters = list(batch.dead)
    if batch.failed:
        payloads, positions, times, keys = (
            json.loads(text) for text in (batch.payloads, batch.positions, batch.times, batch.keys)
        )
        for number, error, code in sorted(batch.failed):
            at = number - 1
            letters.append(
                DeadLetter.of_text(payloads[at], places[at], int(positions[at]), keys[at], times[at], error, code)
            )
    if stream.on_error == "stop" and letters:
        first = letters[0]
        raise Stopped(f"record {first.position} of {batch.claims[first.place].partition}: {first.error}")
    if stream.on_error == "dead_letter":
        dead_letters.keep(db, stream.id, [claim.partition for claim in batch.claims], letters)
    died = Counter(letter.place for letter in letters)
    came = Counter(places)
    came.update(letter.place for letter in batch.dead)
    told = [
        {
            "partition": claim.partition,
            "end_position": claim.end,
            "last": claim.last,
            "rows": came[place] - died[place],
            "dead": died[place] if stream.on_error == "dead_letter" else 0,
            "skipped": died[place] if stream.on_error == "skip" else 0,
            "late": batch.late[place],
            "latest": batch.latest.get(place),
        }
        for place, claim in enumerate(batch.claims)
    ]
    _record(db, stream.id, json.dumps(told), seconds)
    history.note(db, stream.id, {claim.partition: came[place] for place, claim in enumerate(batch.claims)})


def read_batch(stream: Stream, claims: Sequence[Claim], records: Sequence[str], dead: Sequence[DeadLetter]) -> Batch:
    """The batch of these records: payloads, places, positions, times and keys, each a JSON array of texts."""
    payloads, places, positions, times, keys = records
    numbers = json.loads(places)
    if not all(0 <= int(place) < len(claims) for place in numbers):
        raise InvalidInput("a record is of a partition that is not claimed")
    batch = Batch(payloads, payloads, places, positions, times, keys, list(claims), len(numbers), list(dead))
    if (format_ := stream.source.get("format", "json")) not in ("json", *sources.REGISTERED):
        names = [name for name, _ in stream.columns]
        objects: list[str | None] = []
        for number, payload in enumerate(json.loads(payloads), 1):
            try:
                objects.append(formats.object_of(payload, format_, names))
            except Undecodable as error:
                objects.append(None)
                batch.failed.append((number, error.message, error.sqlstate))
        batch.objects = json.dumps(objects)
    return batch


@as_extension_owner
def lock(db: Connection, stream: int) -> None:
    """Keep others from writing what follows a stream, until the transaction ends."""
    db.rows(_LOCK, ("int4",), (stream,))


@as_extension_owner
def lock_all(db: Connection, stream: int) -> None:
    """Wait for the batches that are being written, and let no other begin until the transaction ends.

    In the order of batches, which lock their partitions first: those of a stream that nothing follows lock only these,
    and the key of the stream where a partition is new.
    """
    db.rows(_LOCK_PARTITIONS, ("int4",), (stream,))
    db.rows(_LOCK_KEY, ("int4",), (stream,))


@as_extension_owner
def _watermark(db: Connection, stream: int) -> str | None:
    # One form for every session, as such texts are compared.
    db.rows("SELECT set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true)")
    value: str | None = db.rows(_WATERMARK, ("int4",), (stream,))[0]["watermark"]
    return value


@as_extension_owner
def _record(db: Connection, stream: int, told: str, seconds: float) -> None:
    db.rows(_RECORD, ("int4", "text", "float8", "float8"), (stream, told, seconds, lease.SECONDS))
