"""Rows that a model fails on: an error that names the row, or NULL with a warning."""

from __future__ import annotations

from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.database import models
from pg_llm.errors import BudgetExceeded, EndpointFailed, InvalidInput
from pg_llm.functions import embedding, generation
from pg_llm.protocol import Message

ROWS = ["a", None, "bad", "c", "bad"]


@pytest.fixture(autouse=True)
def picky(db: FakeConnection, host: EchoHost) -> None:
    """A model that fails on the text `bad`."""

    def answer(inputs: Any, options: Message) -> list[Any]:
        failed = EndpointFailed("HTTP 500 (tried 6 times)", hint="Look at it.", detail="more")
        return [failed if text == "bad" else text.upper() for text in inputs]

    host.answers["generation"] = host.answers["embedding"] = answer
    db.answer("LEFT JOIN llm.model AS m", lambda call: [registered(task=call.values[1][4:-6])])


def write(db: FakeConnection, prompts: list[str | None]) -> list[tuple[int, str | None]]:
    return generation.llm_generate_batch.__wrapped__(db, prompts, None, 8, 0.0, 0)


@pytest.mark.parametrize("setting", [None, "", "error"])
def test_a_row_that_fails_is_an_error_that_names_it(db: FakeConnection, setting: str | None) -> None:
    db.settings["llm.on_error"] = setting
    with pytest.raises(EndpointFailed) as caught:
        write(db, ROWS)
    assert caught.value.message == "row 3: HTTP 500 (tried 6 times) (2 of 5 rows failed)"
    assert (caught.value.hint, caught.value.detail) == ("Look at it.", "more")
    with pytest.raises(EndpointFailed, match=r"^row 2: HTTP 500 \(tried 6 times\)$"):
        embedding.llm_embed_batch.__wrapped__(db, ["a", "bad"], None)
    assert db.messages == []


def test_one_row_has_no_number(db: FakeConnection) -> None:
    with pytest.raises(EndpointFailed, match="^HTTP 500"):
        generation.llm_generate.__wrapped__(db, "bad", None, 8, 0.0, 0)


def test_a_row_that_fails_is_null_with_a_warning(db: FakeConnection) -> None:
    db.settings["llm.on_error"] = "null"
    assert write(db, ROWS) == [(1, "A"), (2, None), (3, None), (4, "C"), (5, None)]
    assert generation.llm_generate.__wrapped__(db, "bad", None, 8, 0.0, 0) is None
    assert [(kind, message) for kind, message, _ in db.messages] == [
        ("warning", "row 3: HTTP 500 (tried 6 times) (2 of 5 rows failed)"),
        ("warning", "HTTP 500 (tried 6 times)"),
    ]


def test_the_setting_has_two_values(db: FakeConnection) -> None:
    db.settings["llm.on_error"] = "ignore"
    assert write(db, ["a"]) == [(1, "A")]
    with pytest.raises(InvalidInput, match='invalid value for llm.on_error: "ignore"'):
        write(db, ["bad"])


def test_texts_that_are_no_rows_fail_together(db: FakeConnection) -> None:
    db.settings["llm.on_error"] = "null"
    with pytest.raises(EndpointFailed, match="^HTTP 500"):
        models.find(db, None, "embedding").run("embedding", ["a", "bad"])
    with pytest.raises(EndpointFailed, match="^HTTP 500"):
        models.run_without_model(db, "embedding", ["bad"])


def test_another_answers_in_place_of_models_while_the_block_runs(db: FakeConnection) -> None:
    def answer(model: models.Model, task: str, inputs: Any, options: Message) -> list[Any]:
        return [f"{model.name} {task} {text}" for text in inputs]

    with models.answered_by(db, answer):
        assert embedding.llm_embed.__wrapped__(db, "a", None) == "echo embedding a"
        assert write(db, ["b", None]) == [(1, "echo generation b"), (2, None)]
    assert embedding.llm_embed.__wrapped__(db, "a", None) == "A"
    with pytest.raises(EndpointFailed), models.answered_by(db, lambda *_: [EndpointFailed("bad")]):
        embedding.llm_embed.__wrapped__(db, "a", None)
    assert embedding.llm_embed.__wrapped__(db, "a", None) == "A"


def test_it_does_not_answer_in_the_next_statement(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    with models.answered_by(db, lambda *_: ["fake"]):
        monkeypatch.setattr(FakeConnection, "moment", lambda self: (1, 2, 10))
        assert embedding.llm_embed.__wrapped__(db, "a", None) == "A"


def test_texts_of_one_statement_are_limited(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [(1, 101, 10)]
    monkeypatch.setattr(FakeConnection, "moment", lambda self: moments[-1])
    db.answer("LEFT JOIN llm.model AS m", lambda call: [registered(task=call.values[1][4:-6], most="3")])
    write(db, ["a", None, "b"])
    with pytest.raises(BudgetExceeded, match="more than 3 texts"):
        write(db, ["c", "d"])
    # A call that was refused asked nothing, and one that another transaction of the statement makes counts.
    moments.append((2, 101, 10))
    embedding.llm_embed.__wrapped__(db, "a", None)
    with pytest.raises(BudgetExceeded):
        embedding.llm_embed.__wrapped__(db, "a", None)
    # Another statement; a worker's are not told apart from their transactions.
    for moment in ((2, 102, 10), (3, 0, 10), (4, 0, 10)):
        moments.append(moment)
        write(db, ["a", "b", "c"])
