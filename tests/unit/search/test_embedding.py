from __future__ import annotations

import json

import pytest
from echo import EchoEngine, EchoHost, registered, run, vector
from fake_connection import FakeConnection
from pg_llm.errors import UndefinedModel
from pg_llm.functions import embedding as faces
from pg_llm.search.host import embedding as task


@pytest.fixture
def encoder(db: FakeConnection, host: EchoHost) -> FakeConnection:
    db.answer("LEFT JOIN llm.model AS m", [registered()])
    return db


def test_nulls_keep_their_place(encoder: FakeConnection, host: EchoHost) -> None:
    embedded = faces.llm_embed_batch.__wrapped__(encoder, [None, "a tree", None], None)
    assert [position for position, _ in embedded] == [1, 2, 3]
    assert [text is None for _, text in embedded] == [True, False, True]
    assert json.loads(embedded[1][1]) == vector("a tree")
    assert host.requests[0].inputs == ["a tree"]
    assert faces.llm_embed_batch.__wrapped__(encoder, None, None) == []


def test_one_text(encoder: FakeConnection, host: EchoHost) -> None:
    assert json.loads(faces.llm_embed.__wrapped__(encoder, "a tree", None)) == vector("a tree")
    assert faces.llm_embed.__wrapped__(encoder, None, None) is None
    assert len(host.requests) == 1


def test_similarity_is_the_cosine(encoder: FakeConnection) -> None:
    assert faces.llm_similarity.__wrapped__(encoder, "a tree", "a tree", None) == pytest.approx(1.0)
    assert faces.llm_similarity.__wrapped__(encoder, "a tree", None, None) is None
    a, b = vector("a tree"), vector("a house")
    cosine = sum(x * y for x, y in zip(a, b, strict=True))
    assert faces.llm_similarity.__wrapped__(encoder, "a tree", "a house", None) == pytest.approx(cosine)


def test_a_model_that_nobody_registered(encoder: FakeConnection) -> None:
    encoder.answer("LEFT JOIN llm.model AS m", [registered() | {"name": None, "wanted": "x"}])
    for call in (lambda: faces.llm_embed.__wrapped__(encoder, None, "x"),):
        with pytest.raises(UndefinedModel, match='"x" is not registered'):
            call()


def test_the_prompt_of_a_role_goes_before_each_text() -> None:
    model = EchoEngine()
    model.prompts = {"query": "query: "}
    assert run(task.prepare(model, ["a", "b"], {"role": "query"}), model)  # type: ignore[arg-type]
    assert model.read == ["query: a", "query: b"]
    results = run(task.prepare(model, ["a tree"], {}), model)  # type: ignore[arg-type]
    assert json.loads(results[0]) == pytest.approx(vector("a tree"))


def test_a_text_longer_than_the_window_is_truncated() -> None:
    model = EchoEngine(window=4)
    run(task.prepare(model, ["abcdefgh"], {"role": "document"}), model)  # type: ignore[arg-type]
    assert model.read == ["abcd"]
