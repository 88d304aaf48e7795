"""Records that wait to be written together, as JSON arrays for the database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

from pg_llm.streams.dead_letters import DeadLetter
from pg_llm.streams.formats import Undecodable, text_of
from pg_llm.streams.lease import Claim
from pg_llm.worker.streams.source import Record

# Bytes of a batch, so that memory is bounded whatever the size of a record.
MOST_BYTES = 16_000_000


class Batch:
    """Records of the partitions that are held, each from the offset on that the database has."""

    def __init__(self, max_bytes: int, text: Callable[[bytes | None], str] = text_of) -> None:
        self._max_bytes, self._text = max_bytes, text
        self.records: list[Record] = []
        self.bytes = 0
        self.since = 0.0

    def add(self, records: list[Record]) -> None:
        """Add records, in the order in which they came."""
        if records and not self.records:
            self.since = time.monotonic()
        self.records += records
        self.bytes += sum(len(record.payload or b"") for record in records)

    def left(self, delay: float) -> float:
        """For how many seconds it may wait for more."""
        waited = time.monotonic() - self.since if self.records else 0.0
        return max(0.001, delay - waited)

    def is_due(self, size: int, delay: float) -> bool:
        """Whether it is full, or its first record has waited for long enough."""
        if not self.records:
            return False
        return len(self.records) >= size or self.bytes >= MOST_BYTES or time.monotonic() - self.since >= delay

    def arguments(
        self, held: Mapping[str, tuple[int, int]], ends: Mapping[str, int]
    ) -> tuple[list[str], dict[str, int]]:
        """What llm.stream_write takes after the stream's number, and the offsets after the records.

        `held` are offset and token of each partition.
        """
        places: dict[str, int] = {}
        after: dict[str, int] = {}
        texts: list[str] = []
        of, positions, times, keys = [], [], [], []
        letters = []
        for record in self.records:
            place = places.setdefault(record.partition, len(places))
            after[record.partition] = record.position + 1
            try:
                if (size := len(record.payload or b"")) > self._max_bytes:
                    raise Undecodable(f"the record has {size} bytes, and {self._max_bytes} are read")
                texts.append(self._text(record.payload))
            except Undecodable as error:
                letters.append(
                    DeadLetter.of_bytes(
                        record.payload, place, record.position, record.key, record.time, error.message, error.sqlstate
                    )
                )
                continue
            of.append(place)
            positions.append(record.position)
            times.append(record.time)
            keys.append(record.key)
        claims = [
            Claim(partition, held[partition][1], held[partition][0], after[partition], ends.get(partition))
            for partition in places
        ]
        lists = ([asdict(claim) for claim in claims], texts, of, positions, times, keys, [asdict(le) for le in letters])
        return [json.dumps(item) for item in lists], after
