"""The messages of a walsender and of its plug-in pgoutput (PostgreSQL: Logical Replication Message Formats)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Seconds from 1970 to 2000, where PostgreSQL's times begin.
_EPOCH = 946_684_800
_DATA = struct.Struct(">cqqq")
_ALIVE = struct.Struct(">cqq?")
_STATUS = struct.Struct(">cqqqq?")
_BEGIN = struct.Struct(">qqi")
_COMMIT = struct.Struct(">bqqq")
_EVENTS = {b"I": "insert", b"U": "update", b"D": "delete"}


class Alive(NamedTuple):
    """The server has nothing to send before `end`, and may want an answer."""

    end: int
    wants_answer: bool


class Begin(NamedTuple):
    """A transaction by where it was committed, which grows from one to the next; `time` in milliseconds since 1970."""

    place: int
    time: float


class Commit(NamedTuple):
    """The end of a transaction; whoever has it wants nothing before `end`."""

    end: int


class Change(NamedTuple):
    """A row that was written, by column; those of `missing` did not change, and are too large to be in the log."""

    relation: str
    event: str
    row: dict[str, str | None]
    missing: list[str]


@dataclass(slots=True)
class _Relation:
    name: str
    columns: list[str]


class Messages:
    """Reads messages in the order in which they come: tables are described once, before their rows."""

    def __init__(self) -> None:
        self._relations: dict[int, _Relation] = {}

    def read(self, message: bytes) -> Alive | Begin | Commit | Change | None:
        """What a message says; None for what is of no interest here."""
        if message[:1] == b"k":
            _, end, _, wants_answer = _ALIVE.unpack(message)
            return Alive(end, wants_answer)
        message = message[_DATA.size :]
        match kind := message[:1]:
            case b"B":
                place, time, _ = _BEGIN.unpack_from(message, 1)
                return Begin(place, time / 1000 + _EPOCH * 1000)
            case b"C":
                return Commit(_COMMIT.unpack_from(message, 1)[2])
            case b"R":
                self._describe(_Cursor(message, 1))
            case b"I" | b"U" | b"D":
                return self._change(_EVENTS[kind], _Cursor(message, 1))
        return None

    def _describe(self, cursor: _Cursor) -> None:
        number = cursor.number(4)
        name = f"{cursor.word() or 'pg_catalog'}.{cursor.word()}"
        cursor.number(1)
        columns = []
        for _ in range(cursor.number(2)):
            cursor.number(1)
            columns.append(cursor.word())
            cursor.number(8)
        self._relations[number] = _Relation(name, columns)

    def _change(self, event: str, cursor: _Cursor) -> Change:
        relation = self._relations[cursor.number(4)]
        former: dict[str, str | None] = {}
        if (kind := cursor.take(1)) != b"N":
            # The row before, of which there is the key alone unless the table's replica identity is full.
            former, _ = cursor.row(relation.columns)
            if event == "delete":
                return Change(relation.name, event, former, [])
            cursor.take(1)
        row, missing = cursor.row(relation.columns)
        if kind == b"O":
            row |= {name: former[name] for name in missing}
            missing = []
        return Change(relation.name, event, row, missing)


class _Cursor:
    def __init__(self, message: bytes, at: int) -> None:
        self._message, self._at = message, at

    def take(self, size: int) -> bytes:
        self._at += size
        return self._message[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def word(self) -> str:
        return self.take(self._message.index(b"\0", self._at) + 1 - self._at)[:-1].decode()

    def row(self, columns: Sequence[str]) -> tuple[dict[str, str | None], list[str]]:
        row: dict[str, str | None] = {}
        missing = []
        for name in columns[: self.number(2)]:
            match self.take(1):
                case b"t":
                    row[name] = self.take(self.number(4)).decode()
                case b"u":
                    missing.append(name)
                case _:
                    row[name] = None
        return row, missing


def status(done: int) -> bytes:
    """What tells the server that all before `done` is wanted no more."""
    return _STATUS.pack(b"r", done, done, done, 0, False)
