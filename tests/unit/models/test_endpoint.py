"""OpenAI-compatible endpoints: what is sent, what comes back, and everything that can be wrong with it."""

from __future__ import annotations

import io
import json
import urllib.error
from collections.abc import Callable, Sequence
from email.message import Message
from typing import Any

import numpy as np
import pytest
from pg_llm.errors import EndpointFailed, InvalidModel
from pg_llm.models import endpoint, loading
from pg_llm.models.endpoint import EndpointEmbedding, EndpointGeneration
from pg_llm.models.engine import Sampling, Window
from pg_llm.models.spec import ModelSpec

Answer = Callable[[dict[str, Any]], Any]


class Endpoint:
    """Stands for urlopen: answers each body by a function, and keeps the requests."""

    def __init__(self) -> None:
        self.answer: Answer = embeddings
        self.requests: list[Any] = []
        self.timeouts: list[float] = []

    def __call__(self, request: Any, timeout: float) -> Any:
        self.requests.append(request)
        self.timeouts.append(timeout)
        found = self.answer(json.loads(request.data))
        if isinstance(found, Exception):
            raise found
        return io.BytesIO(found if isinstance(found, bytes) else json.dumps(found).encode())

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.data) for request in self.requests]


def embeddings(body: dict[str, Any]) -> Any:
    # In another order than asked, and not of length one.
    rows = [{"index": place, "embedding": [3.0, 4.0 * len(text)]} for place, text in enumerate(body["input"])]
    return {"data": rows[::-1]}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    found = Endpoint()
    monkeypatch.setattr(endpoint.urllib.request, "urlopen", found)
    return found


def spec(task: str = "embedding", **options: Any) -> ModelSpec:
    return ModelSpec("m", task, "https://host/v1/#big", options=options)


def windows(texts: Sequence[str]) -> list[Window]:
    return [Window(text, 1) for text in texts]


def test_vectors_come_in_order_with_length_one(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_THE_TEST", "secret")
    model = EndpointEmbedding(spec(timeout=7, api_key_env="KEY_OF_THE_TEST"))
    assert model.details == {"dimensions": 2}
    found = model.forward(windows(["a", "bcd"]))
    assert found == pytest.approx(np.asarray([[0.6, 0.8], [3 / 153**0.5, 12 / 153**0.5]]), abs=1e-6)
    assert server.bodies()[-1] == {"model": "big", "input": ["a", "bcd"], "encoding_format": "float"}
    request = server.requests[-1]
    assert request.full_url == "https://host/v1/embeddings"
    assert request.headers["Authorization"] == "Bearer secret"
    assert server.timeouts[-1] == 7
    ((window,),) = model.encode(["eight ch"])
    assert (window.tokens, window.cost) == ("eight ch", 3)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "'data'"),
        ({"data": [{"index": 0, "embedding": "x"}]}, "could not convert"),
        ({"data": []}, "1 texts were sent, vectors of shape (0,) came back"),
        ({"data": [{"index": 0, "embedding": [float("nan"), 1]}]}, "not finite"),
        (b"<html>", "Expecting value"),
        (urllib.error.URLError("no route"), "no route"),
        (
            urllib.error.HTTPError("https://host", 401, "", Message(), io.BytesIO(b"who are you")),
            "HTTP 401: who are you",
        ),
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_an_answer_that_is_none_is_an_error(server: Endpoint, answer: Any, message: str) -> None:
    model = EndpointEmbedding(spec())
    server.answer = lambda body: answer
    with pytest.raises(EndpointFailed) as caught:
        model.forward(windows(["a"]))
    assert message in caught.value.message
    assert caught.value.hint == "Check that it runs and serves this model."


def test_the_hint_names_the_variable_of_the_key_and_never_the_key(
    server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_OF_THE_TEST", "secret")
    server.answer = lambda body: TimeoutError("timed out")
    with pytest.raises(EndpointFailed) as caught:
        EndpointEmbedding(spec(api_key_env="KEY_OF_THE_TEST"))
    assert "$KEY_OF_THE_TEST" in str(caught.value.hint)
    assert "secret" not in f"{caught.value.hint} {caught.value.message}"


def test_an_address_names_its_model() -> None:
    with pytest.raises(InvalidModel, match="names no model"):
        EndpointGeneration(ModelSpec("m", "generation", "https://host/v1"))


def chat(text: str | None, **more: Any) -> Answer:
    return lambda body: {"choices": [{"message": {"content": text}, **more}]}


def test_texts_are_generated_each_by_a_request(server: Endpoint) -> None:
    model = EndpointGeneration(spec("generation"))
    server.answer = lambda body: chat(f" {body['messages'][0]['content']}! ")(body)
    batch = [model.prompt([{"role": "user", "content": text}], Sampling(5, 0.5, 3)) for text in ("a", "b")]
    assert model.forward(batch) == ["a!", "b!"]
    body = min(server.bodies(), key=lambda body: str(body["messages"]))
    assert body == {
        "model": "big",
        "messages": [{"role": "user", "content": "a"}],
        "max_tokens": 5,
        "temperature": 0.5,
        "seed": 3,
    }
    assert server.requests[0].full_url == "https://host/v1/chat/completions"
    assert model.truncate("x" * 9000) == "x" * 8000
    assert model.encode(["a"])[0][0].tokens["max_tokens"] == 1
    server.answer = chat(None)
    assert model.forward(batch[:1]) == [""]


@pytest.mark.parametrize(
    ("text", "reason", "result"),
    [('{"a": 1}', "stop", '{"a": 1}'), ('{"a": ', "length", None), ("1" * 5000, "stop", "1" * 5000)],
)
def test_json_that_was_cut_off_is_none(server: Endpoint, text: str, reason: str, result: str | None) -> None:
    model = EndpointGeneration(spec("generation"))
    server.answer = chat(text, finish_reason=reason)
    window = model.prompt([{"role": "user", "content": "x"}], Sampling(5, schema={"type": "object"}))
    assert model.forward([window]) == [result]
    assert server.bodies()[0]["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_other_text_than_json_is_an_error(server: Endpoint) -> None:
    model = EndpointGeneration(spec("generation"))
    window = model.prompt([{"role": "user", "content": "x"}], Sampling(5, schema={"type": "object"}))
    for answer, message in ((chat("sorry"), "JSON was asked for, and this came: sorry"), (dict, "without a text")):
        server.answer = answer
        with pytest.raises(EndpointFailed, match=message):
            model.forward([window])


def test_an_endpoint_gives_no_likelihoods() -> None:
    model = EndpointGeneration(spec("generation"))
    with pytest.raises(InvalidModel, match="cannot classify"):
        model.question([], [])
    with pytest.raises(InvalidModel, match="cannot judge spelling"):
        model.likelihood("", [])


@pytest.mark.usefixtures("server")
def test_loading_chooses_the_endpoint_and_adds_prompts() -> None:
    def never(spec: ModelSpec) -> Any:
        raise AssertionError

    model: Any = loading.load(spec(query_prompt="query: "), 1, never)
    assert isinstance(model, EndpointEmbedding)
    assert model.prompts == {"query": "query: "}
    assert loading.describe(model) == {"engine": "endpoint", "device": "remote", "bytes": 0, "dimensions": 2}
    assert isinstance(loading.load(spec("generation"), 1, never), EndpointGeneration)
    with pytest.raises(InvalidModel, match="an endpoint cannot do entities"):
        loading.load(spec("entities"), 1, never)
