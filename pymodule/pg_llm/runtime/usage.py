"""What calls of models have cost: sums by database, login role, model and hour, in a file of the data directory.

Neither a rollback nor a cancelled statement takes back what was spent. Hours, days and months are those of UTC.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pg_llm import protocol
from pg_llm.errors import BudgetExceeded, of_file
from pg_llm.protocol import Message

log = logging.getLogger(__name__)

FILE = Path(protocol.FOLDER, "usage.sqlite")
PERIODS = ("hour", "day", "month")
UNITS = ("tokens", "seconds", "money")
# Prices are per this number of tokens.
_PRICED = 1_000_000
_HOUR = 3600
_TABLE = """
    CREATE TABLE IF NOT EXISTS usage (
        database INTEGER, role TEXT, model TEXT, hour INTEGER, calls INTEGER, texts INTEGER, cache_hits INTEGER,
        tokens_in INTEGER, tokens_out INTEGER, seconds REAL, money REAL, redacted INTEGER DEFAULT 0,
        PRIMARY KEY (database, role, model, hour)
    ) WITHOUT ROWID
"""
_ADD = """
    INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        calls = calls + excluded.calls, texts = texts + excluded.texts,
        cache_hits = cache_hits + excluded.cache_hits, tokens_in = tokens_in + excluded.tokens_in,
        tokens_out = tokens_out + excluded.tokens_out, seconds = seconds + excluded.seconds,
        money = money + excluded.money, redacted = redacted + excluded.redacted
"""
_SPENT = """
    SELECT coalesce(sum(tokens_in + tokens_out), 0), coalesce(sum(seconds), 0.0), coalesce(sum(money), 0.0)
    FROM usage WHERE database = ? AND role = ? AND hour >= ?
"""
_ROWS = """
    SELECT role, model, hour / 24 AS day, sum(calls), sum(texts), sum(cache_hits), sum(tokens_in), sum(tokens_out),
           sum(seconds), sum(money), sum(redacted)
    FROM usage WHERE database = ? GROUP BY role, model, day ORDER BY day, role, model
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays for a request: a login role in a database, with its budgets as [period, unit, amount]."""

    database: int
    role: str
    budgets: tuple[tuple[str, str, float], ...] = ()

    @property
    def owner(self) -> tuple[int, str]:
        """Database and role."""
        return self.database, self.role

    @classmethod
    def from_wire(cls, wire: Message) -> Account:
        """The account in a request."""
        return cls(wire["database"], wire["role"], tuple((per, unit, amount) for per, unit, amount in wire["budgets"]))


@dataclass(slots=True)
class Spent:
    """What one request has cost; seconds are those in which the model worked on it.

    `redacted` counts the values that were kept from an endpoint.
    """

    calls: int = 1
    texts: int = 0
    cache_hits: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    redacted: int = 0

    def cost(self, options: Message) -> tuple[int, float, float]:
        """Tokens, seconds and money."""
        return self.tokens_in + self.tokens_out, self.seconds, self.money(options)

    def money(self, options: Message) -> float:
        """By the prices of a model's registration, per million tokens."""
        read, written = (float(options.get(name, 0)) for name in ("price_in", "price_out"))
        return (self.tokens_in * read + self.tokens_out * written) / _PRICED

    def count(self, read: Iterable[tuple[Any, Any]]) -> None:
        """Add the tokens of windows and their outputs: as the model's engine counts them, or by the windows' cost."""
        for window, output in read:
            self.tokens_in += getattr(output, "tokens_in", window.cost)
            self.tokens_out += getattr(output, "tokens_out", 0)
            self.redacted += getattr(window.tokens, "redacted", 0)


class Ledger:
    """The sums in one file, which any process of the server's user may open; all calls come from one thread."""

    def __init__(self, path: Path = FILE) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None
        # Of requests that are under way: whose they are, and what they have cost so far.
        self._under_way: dict[int, tuple[tuple[int, str], Spent, Message]] = {}

    def close(self) -> None:
        """Close the file; another call opens it again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @contextlib.contextmanager
    def charged(self, account: Account, model: str, options: Message, spent: Spent) -> Iterator[None]:
        """While the block runs, budgets count what is added to `spent`; it is noted at the end, however that comes."""
        self._under_way[id(spent)] = (account.owner, spent, options)
        try:
            yield
        finally:
            del self._under_way[id(spent)]
            self.add(account, model, spent, spent.money(options))

    def add(self, account: Account, model: str, spent: Spent, money: float) -> None:
        """Note what a request has cost. An error of the file fails only roles that have a budget."""
        row = (
            *(account.database, account.role, model, _hour_of(datetime.now(UTC))),
            *(spent.calls, spent.texts, spent.cache_hits, spent.tokens_in, spent.tokens_out, spent.seconds, money),
            spent.redacted,
        )
        try:
            with self._connection() as connection:
                connection.execute(_ADD, row)
        except sqlite3.Error as error:
            log.warning("usage cannot be noted in %s: %s", self._path, error)
            if account.budgets:
                raise of_file(
                    f"what the call cost cannot be noted, and a budget holds for role {account.role}",
                    error,
                    f"The file is {self._path}.",
                ) from error

    def check(self, account: Account) -> None:
        """Raise BudgetExceeded if a budget of the account is used up, by requests that are under way too."""
        now = datetime.now(UTC)
        costs = [spent.cost(options) for owner, spent, options in self._under_way.values() if owner == account.owner]
        for per, unit, amount in account.budgets:
            begin, end = period(per, now)
            with self._connection() as connection:
                (sums,) = connection.execute(_SPENT, (account.database, account.role, _hour_of(begin)))
            place = UNITS.index(unit)
            if sums[place] + sum(cost[place] for cost in costs) >= amount:
                raise BudgetExceeded(
                    f'role "{account.role}" has used up its budget of {amount:g} {unit} per {per}',
                    hint=f"The next {per} begins at {end:%Y-%m-%d %H:%M} UTC; an administrator of the models can raise"
                    " it by llm_set_budget().",
                )

    def rows(self, database: int) -> list[tuple[Any, ...]]:
        """Role, model, day and sums, for a database."""
        with self._connection() as connection:
            found = connection.execute(_ROWS, (database,)).fetchall()
        return [
            (role, model, datetime.fromtimestamp(day * 24 * _HOUR, UTC).date(), *sums)
            for role, model, day, *sums in found
        ]

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A transaction; a file that is damaged is put aside."""
        if self._opened is None:
            self._opened = self._open()
        try:
            with self._opened:
                yield self._opened
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self._put_aside(error)
            raise

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=5)
        try:
            # What a crash of the machine takes is a second of sums.
            connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; {_TABLE}")
            if "redacted" not in {name for _, name, *_ in connection.execute("PRAGMA table_info(usage)")}:
                # A file of a release that kept nothing from endpoints; another process may be doing the same.
                with contextlib.suppress(sqlite3.OperationalError):
                    connection.execute("ALTER TABLE usage ADD COLUMN redacted INTEGER DEFAULT 0")
        except sqlite3.DatabaseError as error:
            connection.close()
            if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
                raise
            self._put_aside(error)
            return self._open()
        return connection

    def _put_aside(self, error: Exception) -> None:
        log.error("%s is damaged, and begun anew: %s", self._path, error)
        self.close()
        self._path.replace(self._path.with_suffix(".damaged"))
        for suffix in ("-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)


def period(per: str, now: datetime) -> tuple[datetime, datetime]:
    """The beginning of the hour, day or month that is going on, and of the next."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    if per == "hour":
        return hour, hour + timedelta(hours=1)
    day = hour.replace(hour=0)
    if per == "day":
        return day, day + timedelta(days=1)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _hour_of(moment: datetime) -> int:
    return int(moment.timestamp()) // _HOUR
