"""Questions that a model answers, behind an endpoint on loopback: right and wrong, slow, gone, and hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from database import value
from faulty_endpoint import FaultyEndpoint, Reply, Request, chat
from nl2sql import expanded, load, own_questions, right
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
ODD = "Does the typical loaf outweigh its neighbours?"


@pytest.fixture
def endpoint() -> Iterator[FaultyEndpoint]:
    with FaultyEndpoint().running() as running:
        yield running


@pytest.fixture
def shop(db: psycopg.Connection, endpoint: FaultyEndpoint) -> psycopg.Connection:
    db.execute(
        """
        CREATE TABLE loaf (loaf_id int PRIMARY KEY, name text NOT NULL, grams int, secret text);
        COMMENT ON COLUMN loaf.grams IS 'weight after baking';
        INSERT INTO loaf VALUES (1, 'Rye', 900, 'x4711'), (2, 'Spelt', 500, 'x4712'), (3, 'Malt', 700, 'x4713');
        """
    )
    register(db, endpoint)
    return db


def register(db: psycopg.Connection, endpoint: FaultyEndpoint) -> None:
    db.execute("SELECT llm_register_model('big', 'generation', %s)", (endpoint.source(),))


def samples(endpoint: FaultyEndpoint, *written: str) -> None:
    """What the endpoint writes, in order; the last text again and again."""
    left = list(written)
    endpoint.behaviour = lambda request: Reply(chat(left.pop(0) if len(left) > 1 else left[0]))


def ask(db: psycopg.Connection, question: str = ODD, model: str | None = "big") -> dict[str, Any]:
    cursor = db.execute("SELECT * FROM ask(%s, model => %s)", (question, model))
    assert cursor.description is not None
    row = cursor.fetchone()
    assert row is not None
    return dict(zip([column.name for column in cursor.description], row, strict=True))


def test_a_wrong_query_is_mended_and_agreement_answers(shop: psycopg.Connection, endpoint: FaultyEndpoint) -> None:
    assert ask(shop, model=None)["rows"] is None
    samples(endpoint, *["SELECT avg(weight) FROM loaf"] * 3, "```sql\nSELECT avg(grams) FROM loaf;\n```")
    row = ask(shop)
    assert row["rows"] == [{"avg": 700}]
    assert row["sql"] == "SELECT avg(grams) FROM loaf"
    assert "3 of 3 samples" in row["reason"]
    prompts = [request.prompt for request in endpoint.requests]
    assert any('column "weight" does not exist. No table has a column weight.' in prompt for prompt in prompts)
    assert "name text, -- 'Rye', 'Spelt', 'Malt'" in prompts[0]
    assert "grams integer, -- weight after baking; 900, 500, 700" in prompts[0]


def test_what_the_other_samples_outvote_is_not_sent_back(shop: psycopg.Connection, endpoint: FaultyEndpoint) -> None:
    right = "SELECT avg(grams) FROM loaf"
    samples(endpoint, right, "SELECT avg(weight) FROM loaf", right)
    row = ask(shop)
    assert row["rows"] == [{"avg": 700.0}]
    assert "2 of 3 samples" in row["reason"]
    assert len(endpoint.requests) == 3


def test_what_fails_in_the_same_way_again_is_not_sent_back_again(
    shop: psycopg.Connection, endpoint: FaultyEndpoint
) -> None:
    samples(endpoint, *["SELECT avg(weight) FROM loaf"] * 3, "SELECT sum(weight) FROM loaf", "SELECT 1")
    row = ask(shop)
    assert row["rows"] is None
    assert len(endpoint.requests) == 4


@pytest.mark.parametrize("names", [["reviews"], ["shop_zh"]])
def test_a_perfect_model_is_heard(db: psycopg.Connection, endpoint: FaultyEndpoint, names: list[str]) -> None:
    questions = own_questions(names)
    gold = {question.text: next(expanded(question.gold)) for question in questions}

    def behaviour(request: Request) -> Reply:
        first = str(request.body["messages"][0]["content"])
        return Reply(chat(gold[re.findall(r"that answers: (.*)", first)[-1]]))

    endpoint.behaviour = behaviour
    load(db, names[0])
    register(db, endpoint)
    rows = {question: ask(db, question.text) for question in questions}
    answered = {question: row for question, row in rows.items() if row["answer"] is not None}
    wrong = [
        (question.text, row["sql"]) for question, row in answered.items() if not right(db, question.gold, row["sql"])
    ]
    assert not wrong
    assert len(answered) >= 0.95 * len(questions), [row for row in rows.values() if row["answer"] is None]


def test_calibration_makes_a_model_believed_or_not(shop: psycopg.Connection, endpoint: FaultyEndpoint) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="at least 5 taught questions"):
        shop.execute("SELECT * FROM llm_calibrate_ask('big')")
    for grams in range(5):
        shop.execute(
            "SELECT llm_teach(%s, %s)", (f"Above {grams}00?", f"SELECT name FROM loaf WHERE grams > {grams}00")
        )
    samples(endpoint, "SELECT name FROM loaf WHERE grams > 0")
    query = 'SELECT agreeing, asked, "right" FROM llm_calibrate_ask(%s)'
    assert shop.execute(query, ("big",)).fetchall() == [(3, 5, 5)]
    samples(endpoint, "SELECT avg(grams) FROM loaf")
    believed = ask(shop)
    assert believed["confidence"] > 0.9
    assert "confidence measured" in believed["reason"]
    # Another model of the same name is measured anew.
    shop.execute("SELECT llm_drop_model('big')")
    shop.execute("SELECT llm_register_model('big', 'generation', %s)", (endpoint.source(model="bigger"),))
    samples(endpoint, "SELECT max(grams) FROM loaf WHERE grams > 0")
    assert "assumed" in ask(shop)["reason"]
    assert shop.execute(query, ("big",)).fetchall() == [(3, 5, 0)]
    doubted = ask(shop)
    assert doubted["confidence"] < 0.3
    assert doubted["rows"] is None


def test_an_endpoint_that_is_gone_is_told_and_the_grammar_answers(
    shop: psycopg.Connection, endpoint: FaultyEndpoint
) -> None:
    endpoint.behaviour = lambda request: Reply(b"no such model", 404)
    row = ask(shop, "What are the grams of Rye?")
    assert row["rows"] == [{"grams": 900}]
    assert 'the model "big" wrote nothing' in row["reason"]
    assert "HTTP 404" in row["reason"]


def test_the_setting_chooses_the_model(shop: psycopg.Connection, endpoint: FaultyEndpoint) -> None:
    samples(endpoint, "SELECT avg(grams) FROM loaf")
    assert ask(shop, model=None)["rows"] is None
    assert not endpoint.requests
    shop.execute("SET llm.generation_model = 'big'")
    assert ask(shop, model=None)["rows"] == [{"avg": 700}]


def test_a_slow_model_is_cancelled(shop: psycopg.Connection, endpoint: FaultyEndpoint) -> None:
    endpoint.behaviour = lambda request: Reply(hangs=True)
    shop.execute("SET statement_timeout = '2s'")
    with pytest.raises(errors.QueryCanceled):
        ask(shop)


HOSTILE = [
    "DELETE FROM loaf",
    "WITH gone AS (DELETE FROM loaf RETURNING *) SELECT * FROM gone",
    "SELECT 1; DROP TABLE loaf",
    "SELECT pg_sleep(60)",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT set_config('llm.ask_threshold', '0', false)",
    "SELECT query_to_xml('SELECT secret FROM loaf', true, true, '')",
    "SELECT * FROM pg_authid",
    "SELECT llm_generate(string_agg(secret, ',')) FROM loaf",
    "SELECT * INTO stolen FROM loaf",
    "\ud800 not even text",
]


@pytest.mark.parametrize("written", HOSTILE)
def test_nothing_that_a_model_writes_does_harm(
    shop: psycopg.Connection, endpoint: FaultyEndpoint, written: str
) -> None:
    endpoint.behaviour = lambda request: Reply(json.dumps(chat(written)).encode())
    row = ask(shop)
    assert row["rows"] is None
    assert value(shop, "SELECT count(*) FROM loaf") == 3
    assert value(shop, "SELECT to_regclass('stolen') IS NULL")
    assert value(shop, "SELECT current_setting('llm.ask_threshold', true)") in (None, "")


def test_a_column_that_the_caller_may_not_read_is_neither_shown_nor_read(
    shop: psycopg.Connection, endpoint: FaultyEndpoint, role: str, connect: Connect
) -> None:
    shop.execute(f"GRANT SELECT (loaf_id, name, grams) ON loaf TO {role}")
    samples(endpoint, "SELECT secret FROM loaf")
    row = ask(connect(role))
    assert row["rows"] is None
    assert "4711" not in json.dumps(row, default=str)
    assert endpoint.requests
    told = json.dumps([request.body for request in endpoint.requests])
    assert "x4711" not in told
    assert "secret text" not in told
    assert row["reason"]


def test_the_answers_stay_the_same_in_the_session_itself(shop: psycopg.Connection, endpoint: FaultyEndpoint) -> None:
    shop.execute("SET llm.engine = 'backend'")
    samples(endpoint, "SELECT max(grams) FROM loaf")
    assert ask(shop)["rows"] == [{"max": 900}]


def test_a_column_of_the_wrong_table_is_put_right_without_asking_again(
    shop: psycopg.Connection, endpoint: FaultyEndpoint
) -> None:
    shop.execute("CREATE TABLE shelf (shelf_id int PRIMARY KEY, loaf_id int REFERENCES loaf, place text)")
    slip = "SELECT avg(S.grams) AS mean FROM loaf AS L LEFT JOIN shelf AS S ON S.loaf_id = L.loaf_id"
    samples(endpoint, slip, *["SELECT avg(grams) AS mean FROM loaf"] * 2)
    assert ask(shop)["rows"] == [{"mean": 700.0}]
    assert len(endpoint.requests) == 3
    # Samples that all have the slip are no agreement.
    samples(endpoint, slip)
    row = ask(shop, ODD.replace("outweigh", "exceed"))
    assert row["rows"] is None
    assert "l.grams" in row["sql"]
    assert len(endpoint.requests) == 6
