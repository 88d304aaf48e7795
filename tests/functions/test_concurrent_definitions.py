"""Two sessions that define the same thing at once: one wins, and the other is told what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

Connect = Callable[..., psycopg.Connection]
DEFINITIONS = {
    "graph": "SELECT graph_create('twice')",
    "metric": "SELECT llm_define_metric('twice', 'count(*)', 'event')",
    "budget": "SELECT llm_set_budget('public', 'day', money => 1000)",
    "description": "SELECT llm_describe('event', 'what happened')",
    "rule": "SELECT llm_define_rule('event', 'twice', 'id > 0')",
    "masked view": """SELECT llm_mask('event', '{"body": "redact"}')""",
    "stream": """CALL stream_create('twice', '{"kind": "notify", "channel": "c"}', 'event', '["id int"]')""",
}


def wait_until_blocked(db: psycopg.Connection, pid: int) -> None:
    while db.execute("SELECT pg_blocking_pids(%s) = '{}'", (pid,)).fetchone() == (True,):
        pass


@pytest.mark.parametrize("thing", DEFINITIONS)
def test_of_two_that_define_the_same_one_wins(db: psycopg.Connection, connect: Connect, thing: str) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS event (id int PRIMARY KEY, body text)")
    statement = DEFINITIONS[thing]
    first, second = connect(), connect()
    raised: list[psycopg.Error] = []

    def define() -> None:
        try:
            second.execute(statement)
        except psycopg.Error as error:
            raised.append(error)

    first.execute("BEGIN")
    first.execute(statement)
    waiting = threading.Thread(target=define)
    waiting.start()
    wait_until_blocked(db, second.info.backend_pid)
    first.execute("COMMIT")
    waiting.join()
    for error in raised:
        # Serialization failure, or a duplicate object, table or function.
        assert error.sqlstate in ("40001", "42710", "42P07"), error
        assert error.diag.message_hint, error
    db.execute("DELETE FROM llm.budget")
