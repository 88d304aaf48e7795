"""Attacks on models, endpoints and budgets: by whoever may log in, and by an endpoint that is hostile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from database import value
from faulty_endpoint import FaultyEndpoint, Reply, chat
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
# More than any of these statements takes on a busy machine.
PATIENCE = "SET statement_timeout = '100s'"
ENGINES = pytest.mark.parametrize("engine", ["shared", "backend"])
BOMBS = {
    "intersections": {"allOf": [{"type": "string", "pattern": f"^.*a.{{{n}}}b.*$"} for n in range(30)]},
    "large lists of large lists": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "string"}, "maxItems": 1_000_000},
        "maxItems": 1_000_000,
    },
    "a large list": {"type": "array", "items": {"type": "integer"}, "maxItems": 1_000_000},
}


@pytest.fixture
def endpoint(db: psycopg.Connection) -> Iterator[FaultyEndpoint]:
    """The model `remote`."""
    with FaultyEndpoint().running() as running:
        db.execute("SELECT llm_register_model('remote', 'generation', %s)", (running.source(),))
        yield running


@pytest.fixture
def spender(db: psycopg.Connection, connect: Connect) -> Iterator[psycopg.Connection]:
    db.execute("CREATE ROLE spender LOGIN")
    yield connect("spender")
    db.execute("DROP ROLE spender")


@pytest.mark.parametrize("schema", BOMBS.values(), ids=BOMBS.keys())
def test_a_schema_that_takes_all_time_or_memory_is_refused(db: psycopg.Connection, schema: Any) -> None:
    db.execute(PATIENCE)
    with pytest.raises(errors.InvalidParameterValue, match="schema"):
        db.execute("SELECT llm_generate_json('a', %s)", (json.dumps(schema),))


@pytest.mark.slow
@ENGINES
def test_who_cancels_pays_for_what_the_model_has_begun(
    db: psycopg.Connection, endpoint: FaultyEndpoint, spender: psycopg.Connection, engine: str
) -> None:
    endpoint.behaviour = lambda request: Reply(chat("an answer"), hangs="word" in request.prompt)
    spender.execute("SELECT set_config('llm.engine', %s, false)", (engine,))
    spender.execute("SELECT llm_generate('a', 'remote')")
    spender.execute("SET statement_timeout = '2s'")
    with pytest.raises(errors.QueryCanceled):
        spender.execute("SELECT llm_generate(repeat('word ', 100), 'remote')")
    usage = "SELECT FROM llm_usage WHERE role = 'spender' AND tokens_in > 100 AND seconds > 0.5"
    assert wait_for(lambda: db.execute(usage).fetchone()) is not None
    db.execute("SELECT llm_set_budget('spender', 'day', tokens => 100)")
    spender.execute(PATIENCE)
    with pytest.raises(errors.ConfigurationLimitExceeded):
        spender.execute("SELECT llm_generate('b', 'remote')")


@ENGINES
def test_labels_and_examples_are_paid_for(db: psycopg.Connection, spender: psycopg.Connection, engine: str) -> None:
    spender.execute("SELECT set_config('llm.engine', %s, false)", (engine,))
    labels = [f"{engine} {number} " + "word " * 50 for number in range(20)]
    spender.execute("SELECT llm_classify('a', %s, model => 'all-minilm-l6-v2')", (labels,))
    assert value(db, "SELECT tokens_in FROM llm_usage WHERE role = 'spender'") > 20 * 50


@ENGINES
def test_a_budget_ends_a_statement_that_is_under_way(
    db: psycopg.Connection, endpoint: FaultyEndpoint, spender: psycopg.Connection, engine: str
) -> None:
    db.execute("SELECT llm_set_budget('spender', 'day', tokens => 1)")
    spender.execute("SELECT set_config('llm.engine', %s, false)", (engine,))
    # One request in four portions.
    with pytest.raises(errors.ConfigurationLimitExceeded):
        spender.execute(
            "SELECT count(*) FROM llm_generate_batch((SELECT array_agg(n || repeat(' word', 4000))"
            " FROM generate_series(1, 50) AS n), 'remote')"
        )
    assert 0 < len(endpoint.requests) < 20


def test_an_estimate_runs_no_function_of_others_as_a_superuser(
    db: psycopg.Connection, spender: psycopg.Connection
) -> None:
    db.execute("GRANT CREATE ON SCHEMA public TO spender")
    spender.execute("CREATE FUNCTION taken(text) RETURNS text STABLE LANGUAGE sql AS 'SELECT current_user::text'")
    with pytest.raises(errors.InsufficientPrivilege, match="taken"):
        db.execute("SELECT llm_estimate('SELECT llm_embed(taken(''a''))')")
    assert spender.execute("SELECT tokens >= 0 FROM llm_estimate('SELECT llm_embed(taken(''a''))')").fetchone() == (
        True,
    )
    db.execute("DROP OWNED BY spender CASCADE")


def wait_for(look: Callable[[], Any]) -> Any:
    until = time.monotonic() + 30
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return found
