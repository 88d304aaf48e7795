"""Taking dead letters once more, once what was wrong with them is gone."""

from __future__ import annotations

import base64
import json

from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput
from pg_llm.streams import dead_letters, definition, publishing, writing
from pg_llm.streams.lease import Claim

_AT_ONCE = 1000


def retry(db: Connection, name: str, number: int | None) -> int:
    """Take the dead letters of a stream that are whole, or one of them. Returns how many are letters no more."""
    stream = definition.find(db, name)
    definition.check_trusted(stream)
    if stream.publish is not None:
        return publishing.retry(db, stream.id, number)
    done = last = 0
    while rows := dead_letters.take(db, stream.id, last, number, _AT_ONCE):
        last = rows[-1]["id"]
        texts, ids, failed = [], [], []
        for row in rows:
            # What is no text stays a dead letter.
            try:
                texts.append(base64.b64decode(row["payload"]).decode())
                ids.append(row)
            except UnicodeDecodeError as error:
                failed.append((row["id"], f"the record is not in UTF-8: {error.reason}", "22021"))
        partitions = sorted({row["partition"] for row in ids})
        claims = [Claim(partition, 0, 0, 0, None) for partition in partitions]
        records = (
            texts,
            [partitions.index(row["partition"]) for row in ids],
            [row["position"] for row in ids],
            [row["time"] for row in ids],
            [row["key"] for row in ids],
        )
        batch = writing.read_batch(stream, claims, [json.dumps(of) for of in records], [])
        try:
            writing.take(db, stream, batch)
        except writing.Stopped as stopped:
            raise InvalidInput(f"the dead letters cannot be taken: {stopped.error}") from None
        failed += [(ids[place - 1]["id"], error, state) for place, error, state in batch.failed]
        still = {letter for letter, _, _ in failed}
        taken = [row["id"] for row in rows if row["id"] not in still]
        dead_letters.settle(db, taken, failed)
        done += len(taken)
    return done
