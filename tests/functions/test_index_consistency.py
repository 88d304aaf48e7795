"""2,000 random writes: whatever was written, upserted, truncated or rolled back, the companion is as one made anew."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from uuid import UUID

import companion
import psycopg
import pytest

Connect = Callable[..., psycopg.Connection]
# Transactions of one test, and after how many the companion is compared with the texts; vectors only at the end.
WRITES = 500
EVERY = 100
FEW = 60
WORDS = "apple bread cello desert engine forest garden harbour island jungle kitten lemon mountain night ocean".split()
BLANK = (None, "", "  ", "\n")
TABLES = {
    "int": ("(id int PRIMARY KEY, title text, body text, stars int)", "id", ""),
    "composite": ("(a int, b text, title text, body text, stars int, PRIMARY KEY (b, a))", "a, b", ""),
    "uuid": ("(id uuid PRIMARY KEY, title text, body text, stars int)", "id", ""),
    "partitioned": (
        "(kind text, n int, title text, body text, stars int, PRIMARY KEY (kind, n)) PARTITION BY LIST (kind)",
        "kind, n",
        "CREATE TABLE note_a PARTITION OF note FOR VALUES IN ('a'); CREATE TABLE note_rest PARTITION OF note DEFAULT"
        " PARTITION BY RANGE (n); CREATE TABLE note_low PARTITION OF note_rest FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE note_high PARTITION OF note_rest DEFAULT",
    ),
}
Key = tuple[object, ...]


class Writer:
    """Writes at random, from a seed, in one session; a write that breaks a constraint is one of the writes."""

    def __init__(self, db: psycopg.Connection, kind: str, seed: int) -> None:
        self._db = db
        self._kind = kind
        self._random = random.Random(seed)
        _, self._key, _ = TABLES[kind]
        self._names = self._key.split(", ")
        self._writes = {
            self._insert: 30,
            self._insert_many: 5,
            self._upsert: 10,
            self._merge: 5,
            self._copy: 5,
            self._change_text: 20,
            self._change_key: 10,
            self._change_other: 5,
            self._delete: 12,
            self._delete_some: 2,
            self._truncate: 0.5,
        }

    def write(self) -> None:
        """One transaction with one to four writes, of which savepoints and the end may undo some."""
        undone = self._random.random() < 0.15
        with contextlib.suppress(psycopg.errors.UniqueViolation), self._db.transaction(force_rollback=undone):
            for _ in range(self._random.choice((1, 1, 1, 2, 4))):
                if self._random.random() < 0.3:
                    self._write_in_savepoint()
                else:
                    self._one()

    def _write_in_savepoint(self) -> None:
        undone = self._random.random() < 0.4
        with contextlib.suppress(psycopg.errors.UniqueViolation), self._db.transaction(force_rollback=undone):
            self._one()

    def _one(self) -> None:
        (write,) = self._random.choices(list(self._writes), list(self._writes.values()))
        write()

    def _key_value(self) -> Key:
        number = self._random.randrange(80)
        return {
            "int": (number,),
            "composite": (number // 8, f"key '{number % 8}"),
            "uuid": (UUID(int=number),),
            "partitioned": ("abc"[number % 3], number),
        }[self._kind]

    def _text(self) -> str | None:
        shape = self._random.random()
        if shape < 0.15:
            return self._random.choice(BLANK)
        length = 3 if shape < 0.9 else 400
        return " ".join(self._random.choice(WORDS) for _ in range(length)) + self._random.choice((".", "!", " é", "海"))

    def _row(self) -> tuple[object, ...]:
        return (*self._key_value(), self._text(), self._text(), self._random.randrange(5))

    @property
    def _columns(self) -> str:
        return f"{self._key}, title, body, stars"

    @property
    def _places(self) -> str:
        return ", ".join(["%s"] * (len(self._names) + 3))

    @property
    def _same_key(self) -> str:
        return f"({self._key}) = ({', '.join(['%s'] * len(self._names))})"

    def _insert(self) -> None:
        self._db.execute(f"INSERT INTO note ({self._columns}) VALUES ({self._places})", self._row())

    def _insert_many(self) -> None:
        rows = {row[: len(self._names)]: row for row in (self._row() for _ in range(10))}.values()
        values = ", ".join([f"({self._places})"] * len(rows))
        flat = [cell for row in rows for cell in row]
        self._db.execute(f"INSERT INTO note ({self._columns}) VALUES {values} ON CONFLICT DO NOTHING", flat)

    def _upsert(self) -> None:
        self._db.execute(
            f"INSERT INTO note ({self._columns}) VALUES ({self._places})"
            f" ON CONFLICT ({self._key}) DO UPDATE SET title = excluded.title, body = excluded.body",
            self._row(),
        )

    def _merge(self) -> None:
        new = ", ".join(f"v.{column}" for column in self._columns.split(", "))
        same = " AND ".join(f"note.{name} = v.{name}" for name in self._names)
        types = {"uuid": "uuid"}.get(self._kind)
        places = ", ".join([f"%s::{types}" if types else "%s"] * len(self._names) + ["%s::text"] * 2 + ["%s::int"])
        self._db.execute(
            f"MERGE INTO note USING (VALUES ({places})) AS v ({self._columns}) ON {same}"
            " WHEN MATCHED AND v.stars = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET body = v.body"
            f" WHEN NOT MATCHED THEN INSERT ({self._columns}) VALUES ({new})",
            self._row(),
        )

    def _copy(self) -> None:
        with self._db.cursor() as cursor, cursor.copy(f"COPY note ({self._columns}) FROM STDIN") as copy:
            copy.write_row(self._row())

    def _change_text(self) -> None:
        column = self._random.choice(("title", "body"))
        self._db.execute(f"UPDATE note SET {column} = %s WHERE {self._same_key}", (self._text(), *self._key_value()))

    def _change_key(self) -> None:
        text = ", body = body || '.'" if self._random.random() < 0.3 else ""
        places = ", ".join(f"{name} = %s" for name in self._names)
        self._db.execute(
            f"UPDATE note SET {places}{text} WHERE {self._same_key}", (*self._key_value(), *self._key_value())
        )

    def _change_other(self) -> None:
        self._db.execute(
            "UPDATE note SET stars = stars + 1, title = title WHERE stars = %s", (self._random.randrange(5),)
        )

    def _delete(self) -> None:
        self._db.execute(f"DELETE FROM note WHERE {self._same_key}", self._key_value())

    def _delete_some(self) -> None:
        self._db.execute("DELETE FROM note WHERE stars = %s", (self._random.randrange(5),))

    def _truncate(self) -> None:
        self._db.execute("TRUNCATE note")


def built_from_scratch(db: psycopg.Connection) -> list[tuple[object, ...]]:
    """Chunks in which the companion differs from one that is made now."""
    db.execute("CALL semantic_index('note', '{title,body}', name => 'scratch', method => 'none')")
    (index, _) = companion.indexes(db)
    key = ", ".join(index.companion_key)
    different = db.execute(f"""
        SELECT * FROM {index.companion} AS e FULL JOIN scratch AS s USING ({key}, chunk)
        WHERE (e.start_pos, e.end_pos, e.text_hash, e.words)
              IS DISTINCT FROM (s.start_pos, s.end_pos, s.text_hash, s.words)
        OR e.embedding <=> s.embedding > {companion.SAME_VECTOR}
    """).fetchall()
    db.execute("CALL semantic_drop('note', 'scratch')")
    return different


@pytest.fixture(params=list(TABLES))
def kind(db: psycopg.Connection, request: pytest.FixtureRequest) -> str:
    columns, _, partitions = TABLES[request.param]
    db.execute(f"CREATE TABLE note {columns}")
    if partitions:
        db.execute(partitions)
    return str(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("sync", ["live", "background", "manual"])
def test_many_random_writes(db: psycopg.Connection, kind: str, sync: str) -> None:
    write_at_random(db, kind, sync, WRITES)


@pytest.mark.parametrize("sync", ["live", "background"])
def test_random_writes(db: psycopg.Connection, kind: str, sync: str) -> None:
    write_at_random(db, kind, sync, FEW)


def write_at_random(db: psycopg.Connection, kind: str, sync: str, writes: int) -> None:
    db.execute("CALL semantic_index('note', '{title,body}', sync => %s)", (sync,))
    writer = Writer(db, kind, seed=sum(map(ord, kind + sync)))
    for number in range(1, writes + 1):
        writer.write()
        if number % EVERY == 0:
            companion.settle(db)
            assert companion.differences(db, vectors=False) == {}, number
    companion.settle(db)
    assert companion.differences(db) == {}
    assert built_from_scratch(db) == []


@pytest.mark.parametrize("sync", ["live", "background"])
def test_random_writes_of_two_sessions(db: psycopg.Connection, connect: Connect, sync: str) -> None:
    """Interleaved transactions, one of which stays open while the other writes."""
    db.execute(f"CREATE TABLE note {TABLES['int'][0]}")
    db.execute("CALL semantic_index('note', '{title,body}', sync => %s)", (sync,))
    other = connect()
    for session in (db, other):
        session.execute("SET lock_timeout = '200ms'")
    writers = [Writer(db, "int", 1), Writer(other, "int", 2)]
    pick = random.Random(3)
    for number in range(FEW):
        with other.transaction(force_rollback=pick.random() < 0.2):
            writers[1].write()
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                writers[0].write()
        if sync == "background" and pick.random() < 0.2:
            companion.settle(other)
        if number % 20 == 19:
            companion.settle(db)
            assert companion.differences(db, vectors=False) == {}, number
    assert built_from_scratch(db) == []
