"""Windows in event time are what a query over all rows gives, whatever the order, the batches and the duplicates."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors
from streams import Reader, create

EVENTS = '["id bigint", "card text", "amount numeric", "weight float8", "sent_at timestamptz"]'
START = datetime(2026, 3, 28, 22, tzinfo=UTC)
# Over the change of the clocks in Europe, which moves no window.
WINDOWS = {
    "tumbling_all": '\'tumbling\', \'5 min\', aggregates => \'{"n": "count(*)", "total": "sum(amount)"}\'',
    "tumbling_card": (
        '\'tumbling\', \'1 hour\', group_by => \'{card}\', aggregates => \'{"n": "count(*)", "total": "sum(amount)",'
        ' "mean": "avg(amount)", "low": "min(amount)", "high": "max(weight)", "given": "count(amount)"}\''
    ),
    "daily": "'tumbling', '1 day', aggregates => '{\"n\": \"count(*)\"}'",
    "hopping_card": "'hopping', '10 min', slide => '3 min', group_by => '{card}'",
    "session_card": (
        "'session', '4 min', group_by => '{card}', aggregates => '{\"n\": \"count(*)\", \"t\": \"sum(amount)\"}'"
    ),
    "session_all": "'session', '30 s'",
    "holistic": (
        '\'tumbling\', \'20 min\', aggregates => \'{"cards": "count_distinct(card)", "middle": "median(amount)",'
        ' "spread": "stddev(amount)"}\''
    ),
}
SESSIONS = """
    SELECT {group} min(sent_at), max(sent_at) + '{gap}', count(*) FROM (
        SELECT *, count(*) FILTER (WHERE fresh) OVER ({by} ORDER BY sent_at ROWS UNBOUNDED PRECEDING) AS number FROM (
            SELECT *, coalesce(sent_at - lag(sent_at) OVER ({by} ORDER BY sent_at) > '{gap}', true) AS fresh
            FROM payment WHERE sent_at IS NOT NULL
        ) AS f
    ) AS s GROUP BY {group} number
"""
BATCH = {
    "tumbling_all": (
        "SELECT window_start, window_end, n, total FROM tumbling_all",
        "SELECT date_bin('5 min', sent_at, 'epoch'), date_bin('5 min', sent_at, 'epoch') + '5 min', count(*),"
        " sum(amount)"
        " FROM payment WHERE sent_at IS NOT NULL GROUP BY 1, 2",
    ),
    "tumbling_card": (
        "SELECT window_start, card, n, total, mean, low, high, given FROM tumbling_card",
        "SELECT date_bin('1 hour', sent_at, 'epoch'), card, count(*), sum(amount),"
        " (sum(amount) / nullif(count(amount), 0))::float8, min(amount), max(weight), count(amount)"
        " FROM payment WHERE sent_at IS NOT NULL GROUP BY 1, 2",
    ),
    "daily": (
        "SELECT extract(epoch FROM window_start)::int8 / 86400, n FROM daily",
        "SELECT extract(epoch FROM date_bin('1 day', sent_at, 'epoch'))::int8 / 86400, count(*) FROM payment"
        " WHERE sent_at IS NOT NULL GROUP BY 1",
    ),
    "hopping_card": (
        "SELECT window_start, window_end, card, rows FROM hopping_card",
        "SELECT s, s + '10 min'::interval, card, count(*) FROM payment,"
        " generate_series(timestamptz '2026-03-28 18:00+00', '2026-03-29 12:00+00', '3 min') AS s"
        " WHERE sent_at >= s AND sent_at < s + '10 min' GROUP BY 1, 2, 3",
    ),
    "session_card": (
        "SELECT card, window_start, window_end, n FROM session_card",
        SESSIONS.format(group="card,", gap="4 min", by="PARTITION BY card"),
    ),
    "session_all": (
        "SELECT window_start, window_end, rows FROM session_all",
        SESSIONS.format(group="", gap="30 s", by=""),
    ),
    "holistic": (
        "SELECT window_start, cards, middle, round(spread::numeric, 6) FROM holistic",
        "SELECT date_bin('20 min', sent_at, 'epoch'), count(DISTINCT card),"
        " percentile_cont(0.5) WITHIN GROUP (ORDER BY amount::float8), round(stddev_samp(amount::float8)::numeric, 6)"
        " FROM payment WHERE sent_at IS NOT NULL GROUP BY 1",
    ),
}


def events(chance: random.Random, count: int) -> list[dict[str, Any]]:
    """Made-up payments: some without card, amount or time, some far out of order."""
    found = []
    for n in range(count):
        at = START + timedelta(seconds=chance.choice([n * 20, chance.randrange(count * 20)]), milliseconds=n % 7)
        found.append(
            {
                "id": n,
                "card": chance.choice(["a", "b", "c", None]),
                "amount": chance.choice([chance.randrange(100_000) / 100, None, 10]),
                "weight": chance.random(),
                "sent_at": at.isoformat() if chance.random() > 0.02 else None,
            }
        )
    return found


def send(chance: random.Random, readers: list[Reader], given: list[dict[str, Any]]) -> None:
    """In batches of any size, by any reader."""
    left = [json.dumps(event) for event in given]
    while left:
        size = chance.choice([1, 2, 7, 40])
        chance.choice(readers).write([*left[:size]])
        del left[:size]


def check(db: psycopg.Connection) -> None:
    for name, (kept, batch) in BATCH.items():
        both = f"SELECT count(*) FROM ((({kept}) EXCEPT ALL ({batch})) UNION ALL (({batch}) EXCEPT ALL ({kept}))) AS d"
        assert value(db, both) == 0, name
        assert value(db, f"SELECT count(*) > 3 OR '{name}' = 'daily' FROM ({kept}) AS k"), name


@pytest.mark.parametrize("keyed", [False, True])
def test_windows_are_what_a_query_over_all_rows_gives(db: psycopg.Connection, keyed: bool) -> None:
    seed = int(os.environ.get("PG_LLM_SEED", random.SystemRandom().randrange(1 << 31)))
    print(f"PG_LLM_SEED={seed}")
    chance = random.Random(seed)
    db.execute("SET timezone = 'Europe/Berlin'")
    create(db, columns=EVENTS, event_time="sent_at", key=["id"] if keyed else None)
    for name, definition in WINDOWS.items():
        db.execute(f"CALL stream_window('{name}', 'payments', {definition})")
    readers = [Reader(db, "payments", f"payment/{n}") for n in range(2)]
    for reader in readers:
        reader.lease_among([one.partition for one in readers])
    given = events(chance, 300)
    chance.shuffle(given)
    # Duplicates; with a key also rows that change: another amount, another card, another time.
    again = [
        event | ({"amount": chance.randrange(50), "card": "d", "sent_at": given[0]["sent_at"]} if n % 2 else {})
        for n, event in enumerate(chance.sample(given, 60))
    ]
    send(chance, readers, given + again)
    assert value(db, "SELECT count(*) FROM payment") == (300 if keyed else 360)
    check(db)
    # Windows that are defined later are filled from what there is.
    for name, definition in WINDOWS.items():
        db.execute(f"CALL stream_drop('{name}')")
        db.execute(f"CALL stream_window('{name}', 'payments', {definition})")
    check(db)


def at(minute: float) -> str:
    return (START + timedelta(minutes=minute)).isoformat()


def test_late_rows(db: psycopg.Connection) -> None:
    create(db, columns=EVENTS, event_time="sent_at")
    db.execute("CALL stream_window('w', 'payments', 'tumbling', '5 min', lateness => '10 min')")
    db.execute("CALL stream_window('v', 'payments', 'tumbling', '5 min', lateness => '0')")
    db.execute("CALL stream_window('s', 'payments', 'session', '5 min', lateness => '10 min')")
    reader = Reader(db, "payments")

    def write(*minutes: float) -> None:
        reader.write([json.dumps({"id": 1, "sent_at": at(minute)}) for minute in minutes])

    write(1, 21)
    # The watermark is at 21: windows that end at 11 or before are closed where 10 minutes are allowed.
    write(12, 2, 7)
    rows = "SELECT extract(epoch FROM window_start - timestamptz '{}')::int / 60, rows FROM {} ORDER BY 1"
    assert db.execute(rows.format(at(0), "w")).fetchall() == [(0, 1), (10, 1), (20, 1)]
    assert db.execute(rows.format(at(0), "v")).fetchall() == [(0, 1), (20, 1)]
    dropped = "SELECT name, dropped FROM llm.all_stream_window ORDER BY name"
    assert db.execute(dropped).fetchall() == [("s", 1), ("v", 3), ("w", 2)]
    # 7 is open still, and within the gap of 2 and of 12, which a query over all rows takes together.
    assert value(db, "SELECT late FROM stream_stats") == 3
    assert value(db, "SELECT count(*) FROM payment") == 5


def test_a_clock_that_is_wrong_makes_nothing_late(db: psycopg.Connection) -> None:
    create(db, columns=EVENTS, event_time="sent_at")
    db.execute("CALL stream_window('w', 'payments', 'tumbling', '5 min', lateness => '0')")
    reader = Reader(db, "payments")
    reader.write(
        [json.dumps({"sent_at": "2999-01-01"}), json.dumps({"sent_at": "infinity"}), json.dumps({"sent_at": at(0)})]
    )
    assert value(db, "SELECT watermark FROM stream_stats") == START
    reader.write([json.dumps({"sent_at": at(1)})])
    assert value(db, "SELECT sum(rows) FROM w") == 3
    assert value(db, "SELECT late FROM stream_stats") == 0


def test_the_watermark_is_that_of_the_slowest_partition(db: psycopg.Connection) -> None:
    create(db, columns=EVENTS, event_time="sent_at")
    db.execute("CALL stream_window('w', 'payments', 'tumbling', '5 min', lateness => '0')")
    readers = [Reader(db, "payments", f"payment/{n}") for n in range(2)]
    for reader in readers:
        reader.lease_among([one.partition for one in readers])
    quick, slow = readers
    slow.write([json.dumps({"sent_at": at(0)})])
    quick.write([json.dumps({"sent_at": at(60)})])
    slow.write([json.dumps({"sent_at": at(1)})])
    assert value(db, "SELECT sum(rows) FROM w") == 3
    assert value(db, "SELECT sum(late) FROM stream_stats") == 0


def test_what_cannot_be_windows(db: psycopg.Connection, role: str) -> None:
    create(db, columns=EVENTS, event_time="sent_at")
    create(db, "timeless", "other")
    for arguments, match in (
        ("'w', 'timeless', 'tumbling', '5 min'", "no event_time"),
        ("'w', 'payments', 'sliding', '5 min'", "invalid kind"),
        ("'w', 'payments', 'tumbling', '0 min'", "size"),
        ("'w', 'payments', 'tumbling', '1 month'", "without months"),
        ("'w', 'payments', 'tumbling', '1 min', slide => '1 s'", "slide"),
        ("'w', 'payments', 'hopping', '1 min'", "slide"),
        ("'w', 'payments', 'hopping', '1 h', slide => '1 ms'", "slide"),
        ("'w', 'payments', 'tumbling', '1 min', group_by => '{nothing}'", "no column"),
        ("'w', 'payments', 'tumbling', '1 min', aggregates => '{}'", "must be a JSON object"),
        ("'w', 'payments', 'tumbling', '1 min', aggregates => '{\"a\": \"now()\"}'", "not an aggregate"),
        ("'w', 'payments', 'tumbling', '1 min', aggregates => '{\"a\": \"sum(card)\"}'", "no number"),
        ("'w', 'payments', 'tumbling', '1 min', aggregates => '{\"a\": \"sum(x); DROP\"}'", "not an aggregate"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=match):
            db.execute(f"CALL stream_window({arguments})")
    with pytest.raises(errors.DuplicateObject):
        db.execute("CALL stream_window('payments', 'payments', 'tumbling', '5 min')")
    with pytest.raises(errors.DuplicateObject):
        db.execute("CALL stream_window('payment', 'payments', 'tumbling', '5 min')")
    db.execute("CALL stream_window('w', 'payments', 'tumbling', '5 min')")
    db.execute(f"SET ROLE {role}")
    for call in ("CALL stream_window('v', 'payments', 'tumbling', '5 min')", "CALL stream_drop('w')"):
        with pytest.raises(errors.UndefinedObject):
            db.execute(call)
    with pytest.raises(errors.InsufficientPrivilege):
        db.execute("SELECT * FROM w")
    db.execute("RESET ROLE; CALL stream_drop('payments')")
    assert value(db, "SELECT to_regclass('w') IS NULL")


def test_a_window_misses_no_row_of_a_batch_that_is_being_written(
    db: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    db.execute("CREATE TABLE reading (id int PRIMARY KEY, at timestamptz)")
    create(db, "readings", "kept", source='{"kind": "table", "table": "reading"}', columns=None, event_time="at")
    db.execute("INSERT INTO reading SELECT n, timestamptz '2026-03-28 12:00+00' FROM generate_series(1, 5) AS n")
    writer = connect()
    writer.execute("BEGIN")
    assert value(writer, "SELECT stream_run('readings')") == 5
    windows = threading.Thread(
        target=db.execute, args=("CALL stream_window('hours', 'readings', 'tumbling', '1 hour')",)
    )
    windows.start()
    windows.join(1)
    assert windows.is_alive()
    writer.execute("COMMIT")
    windows.join(20)
    assert value(db, "SELECT sum(rows) FROM hours") == 5
