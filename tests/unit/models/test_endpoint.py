"""Endpoints against a server on loopback that fails in every way: no text is lost, none is answered twice."""

from __future__ import annotations

import gzip
import json
import math
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import faulty_endpoint
import numpy as np
import pytest
from faulty_endpoint import Behaviour, FaultyEndpoint, Reply, Request, chat, echo
from pg_llm.errors import EndpointFailed, Error, InvalidModel, TextRefused, to_others
from pg_llm.models import event_loop, loading
from pg_llm.models.endpoint import address, replicas, transport
from pg_llm.models.endpoint.batches import EndpointEmbedding, EndpointRanking
from pg_llm.models.endpoint.chat import EndpointGeneration
from pg_llm.models.engine import Sampling, Window, gives_likelihoods
from pg_llm.models.spec import ModelSpec
from pg_llm.tasks import batching

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "colour": {"enum": ["red", "green"]}},
    "required": ["name", "colour"],
    "additionalProperties": False,
}
GOOD = '{"name": "Ann", "colour": "red"}'
ERROR = {"error": {"message": "Internal server error"}}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off without the waiting."""
    monkeypatch.setattr(transport, "_FIRST_DELAY", 0.001)
    monkeypatch.setattr(transport, "_MAX_DELAY", 0.004)


@pytest.fixture
def server() -> Iterator[FaultyEndpoint]:
    with FaultyEndpoint().running() as running:
        yield running


def spec(server: FaultyEndpoint, task: str = "generation", **options: Any) -> ModelSpec:
    return ModelSpec("m", task, server.source(), options=options)


def ask(model: EndpointGeneration, prompts: Sequence[str], sampling: Sampling | None = None) -> list[Any]:
    """The outputs, asked for as a backend does."""
    how = sampling or Sampling(5)
    windows = [model.prompt([{"role": "user", "content": prompt}], how) for prompt in prompts]
    return batching.forward_concurrently(model, windows, lambda: None, 0.01)


def after(times: int, first: Reply) -> Behaviour:
    """A server that answers as it should from the next time on."""
    return lambda request: first if request.times <= times else echo(request)


def on(prompt: str, reply: Reply) -> Behaviour:
    """A server that answers one prompt otherwise, always."""
    return lambda request: reply if request.prompt == prompt else echo(request)


def message(output: Any) -> str:
    assert isinstance(output, EndpointFailed | TextRefused), output
    return output.message


# Texts.


def test_texts_are_written_each_by_a_request(server: FaultyEndpoint) -> None:
    model = EndpointGeneration(spec(server))
    server.behaviour = lambda request: Reply(chat(f" <think>hm</think>\n{request.prompt}! "))
    assert ask(model, ["a", "b"], Sampling(5, 0.5, 3)) == ["a!", "b!"]
    (first, *_) = sorted(server.requests, key=lambda request: request.prompt)
    assert first.path == "/v1/chat/completions"
    assert first.body == {
        "model": "big",
        "messages": [{"role": "user", "content": "a"}],
        "max_tokens": 5,
        "temperature": 0.5,
        "seed": 3,
    }
    assert "Authorization" not in first.headers
    server.behaviour = lambda request: Reply(chat("a!"), headers={"Set-Cookie": "session=1", "Retry-After": "1" * 400})
    assert ask(model, ["c", "d"]) == ["a!", "a!"]
    server.behaviour = lambda request: Reply(chat(f"{request.prompt}!"))
    assert ask(model, ["e"]) == ["e!"]
    assert "Cookie" not in server.requests[-1].headers
    assert model.truncate("x" * 9000) == "x" * 8000
    server.behaviour = lambda request: Reply(chat("a\0\ud800b"))
    assert model.forward(model.encode(["c"])[0]) == ["a?b"]
    assert server.requests[-1].body["max_tokens"] == 1


def test_tokens_are_counted_as_the_endpoint_does(server: FaultyEndpoint) -> None:
    model = EndpointGeneration(spec(server))
    window = model.prompt([{"role": "user", "content": "a" * 40}], Sampling(5))
    assert window.cost == 11
    used = {"usage": {"prompt_tokens": 40, "completion_tokens": 7}}
    server.behaviour = lambda request: Reply(chat("b" * 80) | used)
    (written,) = model.forward([window])
    assert (written, written.tokens_in, written.tokens_out) == ("b" * 80, 40, 7)
    for unusual in ({"usage": None}, {"usage": {}}, {"usage": {"prompt_tokens": "many", "completion_tokens": 10**30}}):
        server.behaviour = lambda request, unusual=unusual: Reply(chat("b" * 80) | unusual)  # type: ignore[misc]
        (written,) = model.forward([window])
        assert (written.tokens_in, written.tokens_out) == (11, 21)


def test_own_fields_and_headers_are_sent(server: FaultyEndpoint) -> None:
    options = {
        "max_completion_tokens": True,
        "extra_body": {"seed": None, "reasoning_effort": "low"},
        "headers": {"X-Title": "pg"},
    }
    ask(EndpointGeneration(spec(server, **options)), ["a"])
    (request,) = server.requests
    assert request.headers["X-Title"] == "pg"
    assert request.body == {
        "model": "big",
        "messages": [{"role": "user", "content": "a"}],
        "max_completion_tokens": 5,
        "temperature": 0.0,
        "reasoning_effort": "low",
    }


@pytest.mark.parametrize(
    "first",
    [
        Reply(ERROR, 429, {"Retry-After": "0"}),
        Reply(ERROR, 408),
        Reply(ERROR, 409),
        Reply(ERROR, 500),
        Reply(b"<html>", 502),
        Reply(ERROR, 503, {"Retry-After": "0.01"}),
        Reply(chat("x"), cut=10),
        Reply(chat("x"), cut=0),
    ],
    ids=lambda reply: f"{reply.status} {reply.cut}",
)
def test_what_may_pass_is_tried_again(server: FaultyEndpoint, first: Reply) -> None:
    server.behaviour = after(2, first)
    prompts = [f"p{number}" for number in range(40)]
    assert ask(EndpointGeneration(spec(server)), prompts) == [prompt.upper() for prompt in prompts]
    assert server.prompts() == dict.fromkeys(prompts, 3)


@pytest.mark.parametrize(
    ("reply", "says", "tries", "refused"),
    [
        (Reply(ERROR, 500), 'HTTP 500: {"error": {"message": "Internal server error"}} (tried 4 times)', 4, False),
        (Reply(b"too\n long\0!", 400), "HTTP 400: too long !", 1, True),
        (Reply(ERROR, 422), "HTTP 422", 1, True),
        (Reply(chat("x"), cut=10), "(tried 4 times)", 4, False),
        (
            Reply(b"data: {}\n\n", headers={"Content-Type": "text/event-stream"}),
            "a stream of events, not with",
            1,
            False,
        ),
        (
            Reply(b"<!DOCTYPE html><title>Log in</title>", headers={"Content-Type": "text/html"}),
            "HTML, not with",
            1,
            False,
        ),
        (Reply(b"Hello"), "text that is no JSON, not with JSON", 1, False),
        (Reply(b""), "nothing, not with JSON", 1, False),
        (Reply(b"[" * 2000), "text that is no JSON", 1, False),
        (Reply({"choices": []}), "no choice, not with a chat completion", 1, False),
        (Reply({"choices": [3]}), "a choice without a message", 1, False),
        (Reply({"detail": "no"}), 'JSON of another kind ({"detail": "no"})', 1, False),
        (Reply([1]), "JSON of another kind ([1])", 1, False),
        (Reply(chat("")), "it answered with an empty text, not with a chat completion", 1, True),
        (Reply(chat(None, "length")), "an empty text, as max_tokens was spent before the answer began", 1, True),
        (Reply({"choices": [{"message": {"refusal": "I will not."}}]}), "the model refuses: I will not.", 1, True),
        (Reply(chat("y" * 3000)), "its answer is larger than 2048 bytes", 1, True),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else None,
)
def test_a_text_that_fails_fails_alone(
    server: FaultyEndpoint, reply: Reply, says: str, tries: int, refused: bool
) -> None:
    server.behaviour = on("bad", reply)
    prompts = [*(f"p{number}" for number in range(20)), "bad"]
    *good, bad = ask(EndpointGeneration(spec(server, retries=3, max_response="2kB")), prompts)
    assert good == [prompt.upper() for prompt in prompts[:-1]]
    assert says in message(bad)
    assert message(bad).startswith(f"the endpoint http://127.0.0.1:{server.port}/v1 failed: ")
    assert bad.hint
    # Whether another text would fare better decides what happens to an AI column or to work that waits.
    assert isinstance(bad, TextRefused) == refused
    assert server.prompts() == {**dict.fromkeys(prompts[:-1], 1), "bad": tries}


@pytest.mark.parametrize(
    ("reply", "says", "tries"),
    [
        (Reply(b"Incorrect API key provided: sk-secret", 401), "HTTP 401, it refuses the key", 1),
        (Reply(b"Incorrect API key provided: sk-secret", 403), "HTTP 403, it refuses the key", 1),
        (Reply(b"no credit left for sk-secret", 402), "HTTP 402: no credit left for …", 1),
        (Reply(b"model 'big' not found", 404), "HTTP 404: model 'big' not found", 1),
        (Reply(b"", 302, {"Location": "http://127.0.0.1:1/"}), "HTTP 302, a redirect, which is not followed", 1),
        (Reply(b"", 307, {"Location": "/v1/chat/completions"}), "HTTP 307, a redirect, which is not followed", 1),
        (Reply(ERROR, 429, {"Retry-After": "86400"}), "HTTP 429, and it asks to wait 86400 seconds: ", 1),
        (Reply(ERROR, 429, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}), "and it asks to wait ", 1),
        (Reply(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}), "it sent a compressed answer", 1),
    ],
)
def test_what_is_no_fault_of_a_text_fails_all(
    server: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch, reply: Reply, says: str, tries: int
) -> None:
    monkeypatch.setenv("KEY_OF_THE_TEST", "sk-secret")
    server.behaviour = lambda request: reply
    model = EndpointGeneration(spec(server, api_key_env="KEY_OF_THE_TEST", concurrency=1))
    outputs = ask(model, ["a", "b"])
    assert all(isinstance(output, batching.BatchFailed) for output in outputs)
    error = outputs[0].error
    assert isinstance(error, EndpointFailed)
    assert says in error.message
    assert "secret" not in f"{error.message} {error.hint} {error.__cause__}"
    assert len(server.requests) == tries
    assert server.requests[0].headers["Authorization"] == "Bearer sk-secret"
    if reply.status in (401, 403):
        assert "$KEY_OF_THE_TEST in the server's environment" in str(error.hint)


def test_what_an_endpoint_says_of_a_text_is_not_told_to_others(server: FaultyEndpoint) -> None:
    """It may repeat the text, and a batch may hold those of several sessions."""
    model = EndpointEmbedding(spec(server, "embedding", retries=1))
    server.behaviour = lambda request: Reply(b"cannot embed: " + json.dumps(request.body["input"]).encode(), 500)
    texts = [f"a secret of {name}" for name in ("Ann", "Bob")] * 8
    windows = [window for (window,) in model.encode(texts)]
    with pytest.raises(EndpointFailed, match="HTTP 500: cannot embed") as caught:
        model.submit(windows).result()
    assert "secret" in caught.value.message
    told = to_others(caught.value)
    assert told.message == f"the endpoint {server.source().partition('#')[0]} failed: HTTP 500 (tried 2 times)"
    assert isinstance(told, EndpointFailed)
    assert told.hint == caught.value.hint


def test_a_server_that_fails_everybody_is_given_up(server: FaultyEndpoint) -> None:
    server.behaviour = lambda request: Reply(ERROR, 500)
    outputs = ask(EndpointGeneration(spec(server, retries=1, concurrency=4)), [f"p{n}" for n in range(100)])
    assert isinstance(outputs[-1], batching.BatchFailed)
    assert len(server.requests) < 40
    # JSON of another kind is no better.
    server.behaviour = lambda request: Reply({"data": []})
    server.requests.clear()
    assert isinstance(ask(EndpointGeneration(spec(server)), [f"q{n}" for n in range(100)])[-1], batching.BatchFailed)
    assert len(server.requests) < 40
    # The count begins anew.
    server.behaviour = on("bad", Reply(ERROR, 500))
    assert ask(EndpointGeneration(spec(server, retries=1)), ["a", "bad"])[0] == "A"


def test_nobody_there(server: FaultyEndpoint) -> None:
    closed = ModelSpec("m", "generation", "http://127.0.0.1:1/v1#m", options={"retries": 2})
    (output,) = ask(EndpointGeneration(closed), ["a"])
    assert output.error.message.startswith("the endpoint http://127.0.0.1:1/v1 failed: no connection: ")
    assert output.error.message.endswith("(tried 3 times)")


def test_the_timeout_is_of_the_whole_answer(server: FaultyEndpoint) -> None:
    model = EndpointGeneration(spec(server, timeout=1))
    for reply in (Reply(chat("x"), drip=0.1), Reply(hangs=True)):
        server.behaviour = on("bad", reply)
        server.requests.clear()
        good, bad = ask(model, ["a", "bad"])
        assert good == "A"
        assert message(bad).endswith("no whole answer came within 1 seconds (tried 2 times)")
        assert server.prompts() == {"a": 1, "bad": 2}


def test_all_wait_as_long_as_the_endpoint_asks(server: FaultyEndpoint) -> None:
    received: dict[str, float] = {}

    def behaviour(request: Request) -> Reply:
        received[request.prompt] = time.monotonic()
        return Reply(ERROR, 429, {"Retry-After": "0.5"}) if len(server.requests) == 1 else echo(request)

    server.behaviour = behaviour
    model = EndpointGeneration(spec(server))
    first, second = (model.prompt([{"role": "user", "content": prompt}], Sampling(5)) for prompt in "ab")
    begun = time.monotonic()
    waiting = model.submit([first])
    wait_until(lambda: model._transport._replicas.all[0].resume_at > begun)
    assert model.submit([second]).result() == ["B"]
    assert waiting.result() == ["A"]
    assert min(received.values()) >= model._transport._replicas.all[0].resume_at >= begun + 0.5


def test_so_many_requests_at_a_time(server: FaultyEndpoint) -> None:
    server.behaviour = lambda request: Reply(chat(request.prompt.upper()), delay=0.1)
    prompts = [f"p{number}" for number in range(200)]
    begun = time.monotonic()
    assert ask(EndpointGeneration(spec(server)), prompts) == [prompt.upper() for prompt in prompts]
    print(f"200 requests of 0.1 s: {time.monotonic() - begun:.2f} s")
    assert server.most_at_once == 16
    assert server.prompts() == dict.fromkeys(prompts, 1)


def test_a_request_that_is_cancelled_ends(server: FaultyEndpoint) -> None:
    server.behaviour = on("hang", Reply(hangs=True))
    model = EndpointGeneration(spec(server, concurrency=1))
    future = model.submit([model.prompt([{"role": "user", "content": "hang"}], Sampling(1))])
    wait_until(lambda: bool(server.requests))
    future.cancel()
    with pytest.raises(CancelledError):
        future.result()
    wait_until(lambda: server.left == 1)
    # Its connection, the only one, is free again.
    assert ask(model, ["a"]) == ["A"]


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


# JSON.


def write_json(server: FaultyEndpoint, *answers: Any, **options: Any) -> Any:
    """What becomes of one prompt, when the endpoint answers so, one answer after the other."""
    following = iter(answers)
    server.behaviour = lambda request: next(following)
    return ask(EndpointGeneration(spec(server, **options)), ["p"], Sampling(50, schema=SCHEMA))[0]


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here you are:\n```\n{GOOD}\n```\nAnything else?",
        f"Sure! {GOOD}",
        f"{{that}} is it: {GOOD} (I think)",
        f"<think>{{}}</think>{GOOD}",
    ],
)
def test_json_is_read_out_of_its_wrapping(server: FaultyEndpoint, text: str) -> None:
    assert write_json(server, Reply(chat(text))) == GOOD
    (request,) = server.requests
    assert request.body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('{"name": 5, "extra": 1, "colour": "purple"}', '"name" is not of type string'),
        ('{"name": "Ann", "colour": "purple"}', '"colour" is none of ["red", "green"]'),
        ('{"name": "Ann"}', 'the value has no "colour"'),
        ('{"name": "Ann", "colour": "red", "extra": 1}', 'the value has "extra", which is not among its properties'),
        ("sorry", "it is no JSON"),
        ("[NaN]", "it is no JSON"),
    ],
)
def test_what_breaks_the_schema_is_asked_for_once_more(server: FaultyEndpoint, text: str, wrong: str) -> None:
    used = {"usage": {"prompt_tokens": 40, "completion_tokens": 7}}
    found = write_json(server, Reply(chat(text) | used), Reply(chat(GOOD) | used))
    assert (found, found.tokens_in, found.tokens_out) == (GOOD, 80, 14)
    first, second = (request.body["messages"] for request in server.requests)
    assert second[:-1] == [*first, {"role": "assistant", "content": text}]
    assert wrong in second[-1]["content"]
    assert json.dumps(SCHEMA) in second[-1]["content"]
    failed = write_json(server, Reply(chat(text)), Reply(chat(text)))
    assert f"twice something else came ({wrong}): {text}" in message(failed)


def test_json_that_was_cut_off_is_empty_and_counted(server: FaultyEndpoint) -> None:
    for text in ('{"name": ', ""):
        cut = write_json(server, Reply(chat(text, "length")))
        assert cut == ""
        assert (cut.tokens_in, cut.tokens_out) == (6, 4)
    assert "an empty text" in message(write_json(server, Reply(chat(""))))
    long = json.dumps({"name": "1" * 5000, "colour": "red"})
    assert write_json(server, Reply(chat(long, "length"))) == long


def test_an_endpoint_without_schemas_is_asked_in_words(server: FaultyEndpoint) -> None:
    refused = Reply(b"Unknown field: response_format", 400)
    model = EndpointGeneration(spec(server))
    server.behaviour = lambda request: refused if "response_format" in request.body else Reply(chat(GOOD))
    how = Sampling(50, schema=SCHEMA)
    assert ask(model, ["p"], how) == [GOOD]
    assert [
        request.body.get("response_format", {}).get("json_schema", {}).get("strict") for request in server.requests
    ] == [
        True,
        False,
        None,
    ]
    assert json.dumps(SCHEMA) in server.requests[-1].prompt
    assert ask(model, ["q"], how) == [GOOD]
    assert len(server.requests) == 4


# Choices.

SKY = [{"role": "user", "content": "What colour is the sky?"}]


def logprobs(*likely: tuple[str, float]) -> dict[str, Any]:
    """Those of a completion whose first token is the likeliest."""
    top = [{"token": token, "logprob": value} for token, value in likely]
    return {"content": [{**top[0], "top_logprobs": top}]}


def choose(model: EndpointGeneration, answers: Sequence[str], messages: Any = SKY) -> Any:
    return model.forward([model.question(messages, answers)])[0]


def test_an_answer_is_chosen_by_the_probability_of_how_it_begins(server: FaultyEndpoint) -> None:
    likely = ((" Blue", -1.0), ("BL", -2.0), ("Red", -3.0), ("The", -3.5), ("g", -4.0), ("bluish", -5))
    server.behaviour = lambda request: Reply(chat("Blue", logprobs=logprobs(*likely)))
    model = EndpointGeneration(spec(server))
    found = choose(model, ["blue", "red", "green"])
    # One letter says too little. Of what is not told it is only known that it is less probable.
    assert found == pytest.approx([math.log(math.exp(-1) + math.exp(-2)), -3, -5])
    (request,) = server.requests
    assert request.prompt == "What colour is the sky?\nAnswer with one of these: blue, red, green."
    assert (request.body["logprobs"], request.body["top_logprobs"], request.body["temperature"]) == (True, 20, 0)
    server.behaviour = lambda request: Reply(chat("b", logprobs=logprobs(("blue", math.log(0.75)))))
    assert np.exp(choose(model, ["blue", "red"])) == pytest.approx([0.75, 0.25])
    server.behaviour = lambda request: Reply(chat("\u84dd", logprobs=logprobs(("\u84dd", -0.5), ("\u7ea2", -1))))
    assert choose(model, ["\u84dd\u8272", "\u7ea2\u8272"]) == pytest.approx([-0.5, -1])
    server.behaviour = lambda request: Reply(chat("B", logprobs=logprobs(("B", -0.5), ("A", -1))))
    assert choose(model, ["A", "B"]) == pytest.approx([-1, -0.5])


def test_answers_that_begin_alike_have_letters(server: FaultyEndpoint) -> None:
    likely = (("A", -1.0), (" Green", -2.0), ("B", -3.0), ("the", -4.0), ("gr", -5.0))
    server.behaviour = lambda request: Reply(chat("A", logprobs=logprobs(*likely)))
    example = [{"role": "user", "content": "Grass?"}, {"role": "assistant", "content": "green"}]
    found = choose(EndpointGeneration(spec(server)), ["green", "grey", "red"], [*example, *SKY])
    assert found == pytest.approx([math.log(math.exp(-1) + math.exp(-2)), -3, -5])
    first, answer, question = server.requests[0].body["messages"]
    assert first["content"] == "Grass?\nA. green\nB. grey\nC. red\nAnswer with the letter only."
    assert answer == {"role": "assistant", "content": "A"}
    assert question["content"].startswith("What colour is the sky?\nA. green\n")


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {"content": None},
        {"content": [{"token": None}]},
        {"content": [{"token": "A", "logprob": None}]},
        {"content": [{"token": "A", "logprob": math.nan}]},
        {"content": [{"token": "A", "top_logprobs": 3}]},
        {"content": [{"token": "A", "top_logprobs": [{"token": 5, "logprob": -1}]}]},
    ],
)
def test_probabilities_that_are_none(server: FaultyEndpoint, odd: Any) -> None:
    server.behaviour = lambda request: Reply(chat("blue", logprobs=odd))
    assert choose(EndpointGeneration(spec(server)), ["blue", "red"]).tolist() == [0, -7]


def test_probabilities_beyond_one(server: FaultyEndpoint) -> None:
    server.behaviour = lambda request: Reply(chat("A", logprobs=logprobs(("blue", 1e308), ("red", -1e308))))
    assert choose(EndpointGeneration(spec(server)), ["blue", "red"]).argmax() == 0


@pytest.mark.parametrize("text", ["red", " Red.", "re", '"red"'])
def test_without_probabilities_the_answer_is_read(server: FaultyEndpoint, text: str) -> None:
    server.behaviour = lambda request: Reply(chat(text) if "logprobs" in request.body else chat('{"answer": "red"}'))
    model = EndpointGeneration(spec(server))
    assert choose(model, ["blue", "red"]).tolist() == [-7, 0]
    # From now on it is asked for JSON at once.
    server.requests.clear()
    assert choose(model, ["blue", "red"]).tolist() == [-7, 0]
    (request,) = server.requests
    assert request.body["response_format"]["json_schema"]["schema"]["properties"]["answer"] == {"enum": ["blue", "red"]}
    assert request.prompt == 'What colour is the sky?\n- blue\n- red\nAnswer as JSON: {"answer": …}'


def test_a_choice_among_many_or_of_a_server_that_knows_no_probabilities(server: FaultyEndpoint) -> None:
    refused = Reply(b'{"error": "logprobs is not supported"}', 400)
    server.behaviour = lambda request: refused if "logprobs" in request.body else Reply(chat('{"answer": "7"}'))
    model = EndpointGeneration(spec(server))
    answers = [str(number) for number in range(21)]
    assert choose(model, answers).argmax() == 7
    assert len(server.requests) == 1
    assert choose(model, answers[:9]).argmax() == 7
    assert len(server.requests) == 3
    assert choose(model, answers[:9]).argmax() == 7
    assert len(server.requests) == 4
    server.behaviour = lambda request: Reply(chat("{", "length"))
    with pytest.raises(TextRefused, match="it chose none of the answers"):
        choose(model, answers)


def test_tokens_that_say_nothing_lead_to_a_second_question(server: FaultyEndpoint) -> None:
    nothing = chat("I think", logprobs=logprobs(("I", -0.1), ("It", -2)))
    server.behaviour = lambda request: Reply(nothing if "logprobs" in request.body else chat('{"answer": "red"}'))
    model = EndpointGeneration(spec(server))
    assert choose(model, ["blue", "red"]).tolist() == [-7, 0]
    assert choose(model, ["blue", "red"]).tolist() == [-7, 0]
    assert ["logprobs" in request.body for request in server.requests] == [True, False, True, False]


def test_an_endpoint_gives_no_likelihoods(server: FaultyEndpoint) -> None:
    assert not gives_likelihoods(EndpointGeneration(spec(server)))


# Vectors and relevance.


def embed(model: EndpointEmbedding, texts: Sequence[str]) -> list[Any]:
    windows = [windows[0] for windows in model.encode(texts)]
    return batching.forward_concurrently(model, windows, lambda: None, 0.01)


def test_vectors_come_in_order_with_length_one_in_batches(server: FaultyEndpoint) -> None:
    model = EndpointEmbedding(spec(server, "embedding", batch_size=3))
    assert model.details == {"dimensions": 3}
    texts = ["x" * length for length in range(1, 11)]
    found = embed(model, texts)
    assert np.asarray(found) == pytest.approx(np.asarray([[n, 1, 0] / np.hypot(n, 1) for n in range(1, 11)]), abs=1e-6)
    sent = [request.body for request in server.requests[1:]]
    assert {body["model"] for body in sent} == {"big"}
    assert sorted(text for body in sent for text in body["input"]) == sorted(texts)
    assert sorted(len(body["input"]) for body in sent) == [1, 3, 3, 3]
    # What is counted, and priced, where an endpoint does not tell.
    assert [window.cost for (window,) in model.encode(["four", "x" * 400])] == [2, 101]
    assert server.requests[0].path == "/v1/embeddings"
    assert sent[0]["encoding_format"] == "float"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"input 3 is too long", 400),
        Reply(ERROR, 500),
        Reply({"data": []}),
        Reply({"data": [{"index": 0, "embedding": [1, 2, 3]}] * 2}),
        Reply({"data": [{"index": 0, "embedding": "x"}]}),
        Reply({"data": [{"index": 0, "embedding": [1, 2, math.nan]}]}),
        Reply({"data": [{"index": 0, "embedding": [1, 2]}]}),
        Reply({}),
        Reply(b"<html>"),
    ],
    ids=lambda reply: f"{reply.status} {reply.content[:40]!r}",
)
def test_a_text_without_a_vector_is_found_among_its_batch(server: FaultyEndpoint, reply: Reply) -> None:
    model = EndpointEmbedding(spec(server, "embedding", retries=1))
    server.behaviour = lambda request: reply if "bad" in request.body["input"] else echo(request)
    texts = [*(f"{'p' * number}" for number in range(1, 31)), "bad"]
    *good, bad = embed(model, texts)
    assert not any(isinstance(output, Error) for output in good)
    assert message(bad).startswith("the endpoint ")
    assert sum("bad" in request.body["input"] for request in server.requests) <= 14


def test_an_endpoint_without_vectors_is_not_loaded(server: FaultyEndpoint) -> None:
    server.behaviour = lambda request: Reply(hangs=True)
    with pytest.raises(EndpointFailed, match="no whole answer came within 1 seconds$"):
        EndpointEmbedding(spec(server, timeout=1))
    server.behaviour = lambda request: Reply(b"no", 404)
    for make in (EndpointEmbedding, EndpointRanking):
        with pytest.raises(EndpointFailed, match="HTTP 404: no"):
            make(spec(server))


@pytest.mark.parametrize("gives_logits", [False, True])
def test_texts_are_ranked_by_query(server: FaultyEndpoint, gives_logits: bool) -> None:
    def behaviour(request: Request) -> Reply:
        reply = echo(request)
        for row in reply.body["results"]:
            if gives_logits:
                row["relevance_score"] = math.log(row["relevance_score"] / (1 - row["relevance_score"]))
        return reply

    server.behaviour = behaviour
    model = EndpointRanking(spec(server, "ranking", batch_size=4))
    windows = [one for many in model.encode([("q", "abc"), ("r", "x"), ("q", "b " * 1200), "z"]) for one in many]
    assert [window.tokens[0] for window in windows] == ["q", "r", "q", "q", ""]
    assert "".join(window.tokens[1] for window in windows[2:4]) == "b " * 1200
    outputs = model.forward(windows)
    assert outputs == pytest.approx([math.log(1 / len(window.tokens[1])) for window in windows], abs=1e-4)
    assert [request.body["query"] for request in server.requests[1:]] == ["q", "r", ""]
    server.behaviour = lambda request: Reply({"results": []}) if "bad" in request.body["documents"] else echo(request)
    good, bad = model.submit([Window(("q", text), 1) for text in ("good", "bad")]).result()
    assert good == pytest.approx(1 / 5 if gives_logits else math.log(1 / 4), abs=1e-4)
    assert "0 scores for 1 texts, not with one number for each" in message(bad)


# Where it is, and its key.


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("https://host/v1", {}, "names no model"),
        ("https:///v1#m", {}, "names no host"),
        ("http://127.0.0.1:port/v1#m", {}, "not an address"),
        ("http://[::1/v1#m", {}, "not an address"),
        ("https://ann:secret@host/v1#m", {}, "holds no password"),
        ("http://example.org/v1#m", {}, 'texts and key would go to "example.org" in the clear'),
        ("http://10.0.0.1/v1#m", {}, "in the clear"),
        ("https://host/v1#m", {"api_key_env": "A", "api_key_file": "b"}, "not from both"),
        ("https://host/v1#m", {"api_key_file": "../host.sock"}, "is not the name of a key's file"),
        ("https://host/v1#m", {"api_key_file": "/etc/passwd"}, "is not the name of a key's file"),
        ("https://host/v1#m", {"api_key_file": "none"}, "pg_llm/keys/none of the data directory cannot be read"),
        ("https://host/v1#m", {"api_key_env": "NOT_SET_HERE"}, r"\$NOT_SET_HERE in the server's environment holds no"),
    ],
)
def test_addresses_and_keys_that_are_refused(source: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidModel, match=says) as caught:
        EndpointGeneration(ModelSpec("m", "generation", source, options=options))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("http://localhost:1/v1#m", {}),
        ("http://127.1.2.3/v1#m", {}),
        ("http://[::1]:1/v1#m", {}),
        ("http://example.org/v1#m", {"allow_http": True}),
        ("https://example.org/openai/v1/?api-version=1#m", {}),
    ],
)
def test_addresses_that_are_taken(source: str, options: dict[str, Any]) -> None:
    found = address.Address.of(ModelSpec("m", "generation", source, options=options))
    assert found.resource("chat/completions").path.endswith("/v1/chat/completions")
    assert found.resource("x").query == found.base.query


def test_a_key_may_change_in_its_file(server: FaultyEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    address.KEYS.mkdir(parents=True)
    (address.KEYS / "big").write_text("one\n")
    model = EndpointGeneration(spec(server, api_key_file="big"))
    ask(model, ["a"])
    (address.KEYS / "big").write_text("two")
    ask(model, ["b"])
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer one", "Bearer two"]
    for content in ("", " \n", "two\nlines", "schlüssel", "x" * 10_000):
        (address.KEYS / "big").write_text(content)
        (output,) = ask(model, ["c"])
        assert isinstance(output.error, InvalidModel)
        assert output.error.message == "pg_llm/keys/big of the data directory holds no key"
    assert len(server.requests) == 2


def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*made, *names], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with FaultyEndpoint().running(context) as secure:
        source = ModelSpec("m", "generation", f"https://localhost:{secure.port}/v1#m")
        (output,) = ask(EndpointGeneration(source), ["a"])
        assert "CERTIFICATE_VERIFY_FAILED" in output.error.message
        assert "SSL_CERT_FILE" in output.error.hint
        assert secure.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        transport._certificates.cache_clear()
        assert ask(EndpointGeneration(source), ["a"]) == ["A"]
        transport._certificates.cache_clear()


def test_signals_go_to_other_threads() -> None:
    async def blocked() -> set[Any]:
        return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    assert {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1} <= event_loop.start(blocked()).result()
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert sum(thread.name == "event_loop" for thread in threading.enumerate()) == 1


def test_loading_chooses_the_engine_and_adds_prompts(server: FaultyEndpoint) -> None:
    def never(spec: ModelSpec) -> Any:
        raise AssertionError

    model: Any = loading.load(spec(server, "embedding", query_prompt="query: "), 1, never)
    assert isinstance(model, EndpointEmbedding)
    assert model.prompts == {"query": "query: "}
    assert loading.describe(model) == {"engine": "endpoint", "device": "remote", "bytes": 0, "dimensions": 3}
    assert isinstance(loading.load(spec(server, "generation"), 1, never), EndpointGeneration)
    assert isinstance(loading.load(spec(server, "ranking"), 1, never), EndpointRanking)
    with pytest.raises(InvalidModel, match="an endpoint cannot do entities"):
        loading.load(spec(server, "entities"), 1, never)


@pytest.fixture
def second() -> Iterator[FaultyEndpoint]:
    with FaultyEndpoint().running() as running:
        yield running


def replicated(first: FaultyEndpoint, *others: FaultyEndpoint, **options: Any) -> ModelSpec:
    addresses = [other.source().partition("#")[0] for other in others]
    return spec(first, replicas=addresses, **options)


def test_replicas_share_the_work(server: FaultyEndpoint, second: FaultyEndpoint) -> None:
    for each in (server, second):
        each.behaviour = lambda request: Reply(chat(request.prompt.upper()), delay=0.02)
    prompts = [f"p{number}" for number in range(80)]
    model = EndpointGeneration(replicated(server, second, concurrency=8))
    assert ask(model, prompts) == [prompt.upper() for prompt in prompts]
    assert all(len(each.requests) >= 20 for each in (server, second))
    assert server.prompts() + second.prompts() == dict.fromkeys(prompts, 1)


def test_the_least_busy_replica_is_asked(server: FaultyEndpoint, second: FaultyEndpoint) -> None:
    released = threading.Event()

    def slow(request: Request) -> Reply:
        released.wait(20)
        return echo(request)

    server.behaviour = slow
    model = EndpointGeneration(replicated(server, second))
    prompts = [model.prompt([{"role": "user", "content": f"p{number}"}], Sampling(5)) for number in range(20)]
    first = model.submit(prompts[:1])
    wait_until(lambda: len(server.requests) == 1)
    # One after the other, so that the slow one alone has a request under way.
    for prompt in prompts[1:]:
        model.submit([prompt]).result()
    assert (len(server.requests), len(second.requests)) == (1, 19)
    released.set()
    assert first.result() == ["P0"]


@pytest.mark.parametrize(
    "reply", [Reply(ERROR, 500), Reply(ERROR, 429, {"Retry-After": "86400"}), Reply(chat("x"), cut=3)]
)
def test_a_replica_that_fails_is_passed_by(server: FaultyEndpoint, second: FaultyEndpoint, reply: Reply) -> None:
    server.behaviour = lambda _: reply
    model = EndpointGeneration(replicated(server, second, concurrency=2))
    prompts = [f"p{number}" for number in range(50)]
    assert ask(model, prompts) == [prompt.upper() for prompt in prompts]
    assert len(server.requests) <= 5


_SERVER = """
import time
from faulty_endpoint import FaultyEndpoint, Reply, chat
endpoint = FaultyEndpoint()
endpoint.behaviour = lambda request: Reply(chat(request.prompt.upper()), delay=0.01)
with endpoint.running():
    print(endpoint.port, flush=True)
    time.sleep(600)
"""


def test_a_replica_that_is_killed_midway_loses_nothing(second: FaultyEndpoint) -> None:
    second.behaviour = lambda request: Reply(chat(request.prompt.upper()), delay=0.01)
    prompts = [f"p{number}" for number in range(200)]
    support = str(Path(faulty_endpoint.__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], env={"PYTHONPATH": support}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = f"http://127.0.0.1:{int(process.stdout.readline())}/v1#big"
            options = {"replicas": [second.source()], "concurrency": 4}
            model = EndpointGeneration(ModelSpec("m", "generation", first, options=options))
            asked = [model.prompt([{"role": "user", "content": prompt}], Sampling(5)) for prompt in prompts]
            found = [model.submit([window]) for window in asked]
            wait_until(lambda: sum(each.done() for each in found) >= 30)
        finally:
            process.kill()
    assert 0 < len(second.requests) < 200
    assert [output for each in found for output in each.result()] == [prompt.upper() for prompt in prompts]
    # Each was asked once of the server that is left, and what that was not asked the other had answered.
    assert set(second.prompts().values()) == {1}


def test_a_replica_comes_back(monkeypatch: pytest.MonkeyPatch, server: FaultyEndpoint, second: FaultyEndpoint) -> None:
    monkeypatch.setattr(replicas, "_FIRST_PAUSE", 0.05)
    server.behaviour = lambda request: Reply(ERROR, 503) if len(server.requests) < 3 else echo(request)
    model = EndpointGeneration(replicated(server, second))
    assert ask(model, ["a"]) == ["A"]
    wait_until(lambda: ask(model, ["b"]) == ["B"] and len(server.requests) > 3)


def test_where_all_replicas_are_gone_each_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "_FIRST_PAUSE", 0.01)
    options = {"replicas": ["http://127.0.0.1:2/v1"], "retries": 1}
    model = EndpointGeneration(ModelSpec("m", "generation", "http://127.0.0.1:1/v1#big", options=options))
    with pytest.raises(EndpointFailed, match=r"127\.0\.0\.1:1/v1 or http://127\.0\.0\.1:2/v1 failed: no connection"):
        model.forward([model.prompt([{"role": "user", "content": "a"}], Sampling(5))])


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("ftp://127.0.0.1/v1", "not an address of a replica"),
        ("/etc/passwd", "not an address of a replica"),
        ("http://example.com/v1", "in the clear"),
        ("https://user:secret@example.com/v1", "holds no password"),
    ],
)
def test_replicas_that_are_refused(server: FaultyEndpoint, written: str, says: str) -> None:
    with pytest.raises(InvalidModel, match=says):
        EndpointGeneration(spec(server, replicas=[written]))


def test_a_replica_is_left_alone_for_longer_each_time(server: FaultyEndpoint, second: FaultyEndpoint) -> None:
    clock = [100.0]
    servers = replicas.Replicas(replicated(server, second), lambda: clock[0])
    first, other = servers.all
    pauses = []
    for _ in range(7):
        assert servers.failed(first, "it is gone")
        pauses.append(first.resume_at - clock[0])
        assert servers.choose() is other
        clock[0] = first.resume_at
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    # One request at a time tries whether it is there again.
    with servers.asking(other):
        assert servers.choose() is first
        with servers.asking(first):
            assert servers.choose() is other
        servers.worked(first)
        with servers.asking(first):
            assert servers.choose() is first or servers.choose() is other
    assert first.failures == 0
