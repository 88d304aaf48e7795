from __future__ import annotations

import pytest
from fake_connection import FakeConnection
from pg_llm.database.connection import DatabaseError
from pg_llm.database.timeout import TimedOut, time_limit, with_time_limit
from pg_llm.interrupts import Interrupted

CANCELLED = DatabaseError("canceling statement due to user request", "57014")


def test_what_the_block_did_is_rolled_back(db: FakeConnection) -> None:
    with time_limit(db, 60):
        pass
    assert db.rollbacks == 1
    assert db.polls == 0


def test_a_cancel_after_the_time_is_a_timeout(db: FakeConnection) -> None:
    with pytest.raises(TimedOut), time_limit(db, 0):
        raise CANCELLED
    with pytest.raises(TimedOut), time_limit(db, 0):
        raise Interrupted(CANCELLED)


def test_a_cancel_before_the_time_is_somebody_elses(db: FakeConnection) -> None:
    with pytest.raises(DatabaseError), time_limit(db, 60):
        raise CANCELLED
    with pytest.raises(Interrupted), time_limit(db, 60):
        raise Interrupted(CANCELLED)


def test_other_errors_go_through(db: FakeConnection) -> None:
    with pytest.raises(DatabaseError, match="division"), time_limit(db, 0):
        raise DatabaseError("division by zero", "22012")


def test_a_signal_that_came_late_is_consumed(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    def late() -> None:
        raise Interrupted(CANCELLED)

    monkeypatch.setattr(db, "poll", late)
    with time_limit(db, 0):
        pass

    def terminated() -> None:
        raise Interrupted(DatabaseError("terminating connection", "57P01"))

    monkeypatch.setattr(db, "poll", terminated)
    with pytest.raises(Interrupted), time_limit(db, 0):
        pass


def test_what_was_done_in_time_stays(db: FakeConnection) -> None:
    assert with_time_limit(db, 60, lambda: 7) == 7
    assert db.rollbacks == 0


@pytest.mark.parametrize(("seconds", "raised"), [(0, TimedOut), (60, DatabaseError)])
def test_what_took_too_long_is_rolled_back(db: FakeConnection, seconds: float, raised: type[Exception]) -> None:
    def cancelled() -> None:
        raise CANCELLED

    with pytest.raises(raised):
        with_time_limit(db, seconds, cancelled)
    assert db.rollbacks == 1
