"""Cleaning of a large table ends soon after it is cancelled, whatever it is doing.

The moments are random; PG_LLM_SEED repeats those of a run.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
SEED = int(os.environ.get("PG_LLM_SEED", random.SystemRandom().randrange(1 << 31)))
# From the cancel to the error, beside what a query of PostgreSQL's own takes on a busy machine.
LONGEST = 1.0
CANCELS = 6

DATA = """
    CREATE TABLE sale AS
        SELECT n AS id, (100 + n::bigint * 7919 % 9000011 / 100.0)::numeric(12, 2) AS eur,
               'customer ' || n::bigint * 104729 % 70001 AS customer, 'town ' || n::bigint * 31 % 997 AS town,
               'region ' || (n::bigint * 31 % 997) % 40 || CASE WHEN n % 9973 = 0 THEN 'x' ELSE '' END AS region
        FROM generate_series(1, 300000) AS n;
    ALTER TABLE sale ADD PRIMARY KEY (id);
"""
# Changes to write, to take back and to turn into rules.
CHANGES = """
    INSERT INTO llm.all_change (run, key, "column", old, new, confidence, state, detector, reason)
    SELECT '{run}', jsonb_build_object('id', id), 'town', {values}, 1, '{state}', 'typo', 'a test'
    FROM sale WHERE id % 3 = 0
"""


@pytest.fixture
def sale(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(DATA)
    return db


def run(db: psycopg.Connection, state: str) -> str:
    """A run with changes in that state, without the search for them."""
    found = str(
        value(
            db,
            "INSERT INTO llm.cleaning (target, columns, rules) VALUES ('sale', '{eur,customer,town,region}', '[]')"
            " RETURNING id",
        )
    )
    values = "town, town || '!'" if state == "proposed" else "town || '!', town"
    db.execute(CHANGES.format(run=found, values=values, state=state))
    return found


CALLS = {
    "llm_profile": ("", "SELECT llm_profile('sale')"),
    "llm_find_errors": ("", "SELECT llm_find_errors('sale')"),
    "rules": (
        "",
        """SELECT llm_find_errors('sale', rules => '[{"column": "town", "regex": "7"},
                     {"column": "eur", "check": "eur > 0"}, {"column": "region", "values": ["region 1"]}]')""",
    ),
    "llm_propose_repairs": ("found", "SELECT llm_propose_repairs(%s)"),
    "llm_duplicates": ("", "SELECT llm_duplicates('sale', '{customer,town}')"),
    "llm_match": ("", "SELECT llm_match('customer 12', 'sale', 'customer')"),
    "llm_merge": ("", "SELECT llm_merge('sale', columns => '{customer,town}')"),
    "llm_apply": ("proposed", "SELECT llm_apply(%s)"),
    "llm_rollback": ("applied", "SELECT llm_rollback(%s)"),
    "llm_rules": ("applied", "SELECT llm_rules(%s)"),
}


def moments(longest: float) -> Iterator[float]:
    chosen = random.Random(SEED)
    for _ in range(CANCELS):
        # Early ones more often: much is short.
        yield longest * chosen.random() ** 2


def cancelled(control: psycopg.Connection, call: Callable[[], object], pid: int, after: float) -> float | None:
    """Seconds from the cancel to the end of a call, or None if it ended before."""
    sent: list[float] = []

    def cancel() -> None:
        sent.append(time.monotonic())
        control.execute("SELECT pg_cancel_backend(%s)", (pid,))

    timer = threading.Timer(after, cancel)
    timer.start()
    try:
        call()
    except errors.QueryCanceled:
        return time.monotonic() - sent[0]
    finally:
        timer.cancel()
        timer.join()
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_a_large_table_can_be_left_at_any_moment(sale: psycopg.Connection, connect: Connect, name: str) -> None:
    state, query = CALLS[name]
    parameters = (run(sale, state),) if state else None
    control = connect()
    pid = sale.info.backend_pid

    def call() -> None:
        # Rolled back, so that the next one finds the same.
        with sale.transaction(force_rollback=True):
            sale.execute(query, parameters)

    longest = 40.0
    for after in moments(longest):
        took = cancelled(control, call, pid, after)
        if took is not None:
            beside = cancelled(control, lambda: sale.execute("SELECT pg_sleep(60)"), pid, 0.1) or 0.0
            assert took < LONGEST + beside, f"{name} went on for {took:.1f} s after {after:.1f} s (PG_LLM_SEED={SEED})"


@pytest.mark.slow
def test_many_numbers_are_looked_at_in_time(db: psycopg.Connection) -> None:
    # Comparing each with each other took hours.
    db.execute("CREATE TABLE amount (id int PRIMARY KEY, eur numeric(9, 2))")
    db.execute("INSERT INTO amount SELECT n, 100 + (n % 90000) / 100.0 FROM generate_series(1, 200000) AS n")
    db.execute("SET statement_timeout = '120s'")
    found = value(db, "SELECT llm_find_errors('amount')")
    assert value(db, "SELECT llm_propose_repairs(%s)", found) == 0
