"""Answers that people can check: how a question was read, what may be chosen from, and questions that follow others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from database import value
from faulty_endpoint import FaultyEndpoint, Reply, chat
from psycopg import errors

Connect = Callable[..., psycopg.Connection]


@pytest.fixture
def shop(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(
        """
        CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, country text, balance numeric);
        INSERT INTO customer VALUES (1, 'Ann', 'Austria', 0.1234567890123456789), (2, 'Bob', 'Germany', 10),
            (3, 'Cem', 'Germany', 20), (4, 'Dee', 'France', 5);
        SET llm.ask_log = on;
        """
    )
    return db


@pytest.fixture
def endpoint() -> Iterator[FaultyEndpoint]:
    with FaultyEndpoint().running() as running:
        yield running


def ask(db: psycopg.Connection, question: str, after: str | None = None, more: str = "") -> dict[str, Any]:
    cursor = db.execute(f"SELECT * FROM ask(%s, after => %s{more})", (question, after))
    assert cursor.description is not None
    row = cursor.fetchone()
    assert row is not None
    return dict(zip([column.name for column in cursor.description], row, strict=True))


def test_a_follow_up_puts_another_value_in(shop: psycopg.Connection) -> None:
    first = ask(shop, "How many customers are from Germany?")
    assert first["rows"] == [{"count": 2}]
    second = ask(shop, "And from Austria?", first["id"])
    assert second["rows"] == [{"count": 1}]
    assert second["assumptions"] == ["the question is: How many customers are from Austria?"]
    third = ask(shop, "France?", second["id"])
    assert third["rows"] == [{"count": 1}]
    logged = shop.execute("SELECT question FROM llm.ask_log ORDER BY asked_at").fetchall()
    assert [question for (question,) in logged] == [
        f"How many customers are from {country}?" for country in ("Germany", "Austria", "France")
    ]


def test_rows_and_sql_follow_a_question_too(shop: psycopg.Connection) -> None:
    first = ask(shop, "How many customers are from Germany?")
    assert value(shop, "SELECT ask_rows('And from Austria?', after => %s)", first["id"]) == {"count": 1}
    sql = value(shop, "SELECT sql FROM llm_sql('And from Austria?', after => %s)", first["id"])
    assert sql == "SELECT count(*) FROM customer WHERE country = 'Austria'"
    for call in ("ask_rows", "llm_sql"):
        with pytest.raises(errors.UndefinedObject):
            shop.execute(f"SELECT * FROM {call}('And from Austria?', after => gen_random_uuid())")


def test_what_is_no_certain_follow_up_is_not_answered_alone(shop: psycopg.Connection) -> None:
    first = ask(shop, "How many customers are from Germany?")
    row = ask(shop, "And their average balance?", first["id"])
    assert row["rows"] is None
    assert "no whole question" in row["reason"]
    other = ask(shop, "How many customers are there?", first["id"])
    assert (other["rows"], other["assumptions"]) == ([{"count": 4}], ["it is a question by itself"])


def test_a_model_is_shown_the_question_before(shop: psycopg.Connection, endpoint: FaultyEndpoint) -> None:
    shop.execute("SELECT llm_register_model('big', 'generation', %s)", (endpoint.source(),))
    first = ask(shop, "How many customers are from Germany?")
    endpoint.behaviour = lambda request: Reply(chat("SELECT avg(balance) FROM customer WHERE country = 'Germany'"))
    row = ask(shop, "And their average balance?", first["id"], ", model => 'big'")
    assert row["rows"] == [{"avg": 15.0}]
    prompt = endpoint.requests[-1].prompt
    assert "Question before: How many customers are from Germany?" in prompt
    assert "SELECT count(*) FROM customer WHERE country = 'Germany'" in prompt
    assert value(shop, "SELECT question FROM llm.ask_log WHERE id = %s", row["id"]).startswith("How many customers")


def test_a_choice_is_named_by_its_number(shop: psycopg.Connection) -> None:
    choices = '[{"sql": "SELECT 1 AS a FROM customer"}, {"sql": "SELECT name FROM customer WHERE id = 2"}]'
    id = value(
        shop,
        "INSERT INTO llm.ask_log (question, confidence, reason, clarify) VALUES ('Who?', 0, '', %s) RETURNING id",
        choices,
    )
    row = ask(shop, "2", id)
    assert row["rows"] == [{"name": "Bob"}]
    assert row["assumptions"] == ["the reading that was chosen"]
    assert ask(shop, "3", id)["rows"] is None


def test_a_choice_that_somebody_planted_is_checked(shop: psycopg.Connection) -> None:
    query = "INSERT INTO llm.ask_log (question, confidence, reason, clarify) VALUES ('Who?', 0, '', %s) RETURNING id"
    for planted in ('[{"sql": "DELETE FROM customer"}]', '[{"sql": 1}]', "[{}]", '{"a": 1}', '"x"', "[1]"):
        id = value(shop, query, planted)
        assert ask(shop, "1", id)["rows"] is None
    assert value(shop, "SELECT count(*) FROM customer") == 4


def test_the_question_before_must_be_ones_own(shop: psycopg.Connection, role: str, connect: Connect) -> None:
    shop.execute(f"GRANT SELECT ON customer TO {role}")
    first = ask(shop, "How many customers are from Germany?")
    with connect(role) as other, pytest.raises(errors.UndefinedObject, match="in your llm.ask_log"):
        ask(other, "And from Austria?", first["id"])
    shop.execute("SET llm.ask_log = off")
    assert ask(shop, "How many customers are from Germany?")["id"] is None


def test_how_a_question_was_read(shop: psycopg.Connection) -> None:
    row = ask(shop, "How many customers are from Germany?")
    readings = {each["phrase"]: each["meaning"] for each in row["readings"]}
    assert readings["How many"] == "count"
    assert readings["customers"] == "customer"
    assert readings["Germany"] == "customer.country = 'Germany'"
    assert row["clarify"] is None
    explained = ask(shop, "How many customers are from Germany?", None, ", explain => true")
    assert explained["sql"] == "SELECT count(*)\nFROM customer\nWHERE country = 'Germany'"


def test_numbers_keep_their_digits(shop: psycopg.Connection) -> None:
    row = ask(shop, "What is the balance of Ann?")
    assert row["answer"] == "The balance of Ann is 0.1234567890123456789."
    assert value(shop, "SELECT rows::text FROM ask('What is the balance of Ann?')") == (
        '[{"balance": 0.1234567890123456789}]'
    )


def test_none_and_0_are_answers(shop: psycopg.Connection) -> None:
    none = ask(shop, "Which customers have a balance above 100?")
    assert (none["rows"], none["answer"]) == ([], "Nothing in the tables matches.")
    assert ask(shop, "How many customers have a balance above 100?")["rows"] == [{"count": 0}]


def test_a_doubt_is_asked_back_and_the_choice_is_answered(shop: psycopg.Connection) -> None:
    shop.execute("ALTER TABLE customer ADD birthplace text; UPDATE customer SET birthplace = 'France' WHERE id < 3")
    doubtful = ask(shop, "Which customers are from France?")
    assert doubtful["rows"] is None
    assert [(each["phrase"], each["meaning"]) for each in doubtful["clarify"]] == [
        ("France", "customer.country = 'France'"),
        ("France", "customer.birthplace = 'France'"),
    ]
    assert ask(shop, "2", doubtful["id"])["rows"] == [{"name": "Ann"}, {"name": "Bob"}]
