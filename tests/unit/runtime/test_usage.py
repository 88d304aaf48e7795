"""The ledger of what models have cost: sums, budgets by period, and a file that is damaged or cannot be written."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pg_llm.errors import BudgetExceeded, DiskFull, Error
from pg_llm.models.engine import Window, Written
from pg_llm.runtime import usage
from pg_llm.runtime.usage import Account, Ledger, Spent

BOB = Account(5, "bob")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pg_llm" / "usage.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger(path)) as opened:
        yield opened


def test_sums_by_role_model_and_day(ledger: Ledger, path: Path) -> None:
    ledger.add(BOB, "m", Spent(1, 3, 1, 10, 2, 0.5), 0.25)
    # Another process.
    with contextlib.closing(Ledger(path)) as other:
        other.add(BOB, "m", Spent(1, 1, 0, 5, 1, 0.25), 0.5)
    ledger.add(Account(5, "eve"), "n", Spent(), 0.0)
    ledger.add(Account(6, "bob"), "m", Spent(), 0.0)
    today = datetime.now(UTC).date()
    assert ledger.rows(5) == [
        ("bob", "m", today, 2, 4, 1, 15, 3, 0.75, 0.75, 0),
        ("eve", "n", today, 1, 0, 0, 0, 0, 0.0, 0.0, 0),
    ]
    assert path.parent.stat().st_mode & 0o77 == 0


@pytest.mark.parametrize(("unit", "spent"), [("tokens", 12), ("seconds", 0.5), ("money", 0.25)])
@pytest.mark.parametrize("per", usage.PERIODS)
def test_a_budget_is_used_up_once_as_much_was_spent(ledger: Ledger, per: str, unit: str, spent: float) -> None:
    exact, more = (Account(5, "bob", ((per, unit, amount),)) for amount in (spent, spent + 0.1))
    ledger.check(exact)
    ledger.add(exact, "m", Spent(tokens_in=10, tokens_out=2, seconds=0.5), 0.25)
    ledger.check(more)
    ledger.check(Account(5, "eve", exact.budgets))
    ledger.check(Account(6, "bob", exact.budgets))
    with pytest.raises(
        BudgetExceeded, match=f'role "bob" has used up its budget of {spent:g} {unit} per {per}'
    ) as caught:
        ledger.check(exact)
    assert f"The next {per} begins at" in str(caught.value.hint)


def test_a_budget_of_nothing_allows_nothing(ledger: Ledger) -> None:
    with pytest.raises(BudgetExceeded):
        ledger.check(Account(5, "bob", (("day", "tokens", 0.0),)))


def test_what_was_spent_in_the_period_before_does_not_count(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.add(BOB, "m", Spent(tokens_in=10), 0.0)
    earlier = int((datetime.now(UTC) - timedelta(days=40)).timestamp()) // 3600
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE usage SET hour = ?", (earlier,))
    for per in usage.PERIODS:
        ledger.check(Account(5, "bob", ((per, "tokens", 10),)))


def test_periods() -> None:
    moment = datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC)
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    assert usage.period("hour", moment) == (datetime(2026, 12, 31, 23, tzinfo=UTC), new_year)
    assert usage.period("day", moment) == (datetime(2026, 12, 31, tzinfo=UTC), new_year)
    assert usage.period("month", moment) == (datetime(2026, 12, 1, tzinfo=UTC), new_year)


def test_tokens_are_the_engines_or_the_windows(path: Path) -> None:
    spent = Spent()
    spent.count([(Window("a", 7), [0.5]), (Window("b", 1), Written("text", 20, 3))])
    assert (spent.tokens_in, spent.tokens_out) == (27, 3)
    assert spent.money({"price_in": 2, "price_out": 10.0}) == pytest.approx((27 * 2 + 3 * 10) / 1e6)
    assert spent.money({}) == 0


def test_a_damaged_file_is_put_aside(ledger: Ledger, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    ledger.add(BOB, "m", Spent(), 0.0)
    assert len(ledger.rows(5)) == 1
    assert path.with_suffix(".damaged").exists()
    assert "is damaged" in caplog.text


def test_what_cannot_be_noted_fails_those_who_have_a_budget(
    ledger: Ledger, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.rows(5)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE usage RENAME TO other")
    ledger.add(BOB, "m", Spent(), 0.0)
    assert "cannot be noted" in caplog.text
    with pytest.raises(Error, match="cannot be noted, and a budget holds for role bob"):
        ledger.add(Account(5, "bob", (("day", "tokens", 1.0),)), "m", Spent(), 0.0)


def test_a_full_disk_is_said_to_be_one(ledger: Ledger) -> None:
    def note(roles: int) -> None:
        for number in range(roles):
            ledger.add(Account(5, f"role {number}", (("day", "tokens", 1.0),)), "m", Spent(), 0.0)

    note(1)
    assert ledger._opened is not None
    # The file may not grow, as on a disk without room.
    ledger._opened.execute("PRAGMA max_page_count = 1")
    with pytest.raises(DiskFull, match="cannot be noted"):
        note(1000)


def test_a_file_of_an_earlier_release_gets_its_column(ledger: Ledger, path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(path)) as old, old:
        old.execute(
            "CREATE TABLE usage (database INTEGER, role TEXT, model TEXT, hour INTEGER, calls INTEGER, texts INTEGER,"
            " cache_hits INTEGER, tokens_in INTEGER, tokens_out INTEGER, seconds REAL, money REAL,"
            " PRIMARY KEY (database, role, model, hour)) WITHOUT ROWID"
        )
        old.execute("INSERT INTO usage VALUES (5, 'bob', 'm', 24, 1, 1, 0, 7, 0, 0.5, 0.0)")
    ledger.add(BOB, "n", Spent(redacted=3), 0.0)
    assert [(model, read, redacted) for _, model, _, _, _, _, read, *_, redacted in ledger.rows(5)] == [
        ("m", 7, 0),
        ("n", 0, 3),
    ]
    with contextlib.closing(Ledger(path)) as again:
        assert len(again.rows(5)) == 2
