"""Several servers of one model: one that works gets what another one fails, and no answer is lost or given twice."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_endpoint import FaultyEndpoint, Reply, Request, chat, echo
from pg_llm.errors import EndpointFailed, Error, InvalidInput, InvalidModel, TextRefused
from pg_llm.models import event_loop, loading
from pg_llm.models.endpoint import address, batches, replica, transport
from pg_llm.models.endpoint.batches import EndpointEmbedding, EndpointRanking
from pg_llm.models.endpoint.chat import EndpointGeneration
from pg_llm.models.endpoint.load_balancer import LoadBalancer
from pg_llm.models.endpoint.replica import Replica
from pg_llm.models.engine import Sampling
from pg_llm.models.spec import ModelSpec, check_options
from pg_llm.tasks import batching

PROMPTS = [f"p{number}" for number in range(80)]
CAPITALS = [prompt.upper() for prompt in PROMPTS]
OOPS = Reply(b"oops", 500)
Servers = list[FaultyEndpoint]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off without the waiting."""
    monkeypatch.setattr(transport, "_FIRST_DELAY", 0.001)
    monkeypatch.setattr(transport, "_MAX_DELAY", 0.004)


@pytest.fixture
def servers() -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(FaultyEndpoint().running()) for _ in range(3)]


def spec(servers: Sequence[FaultyEndpoint], task: str = "generation", **options: Any) -> ModelSpec:
    first, *others = (server.source() for server in servers)
    return ModelSpec("m", task, first, options={"replicas": others, **options})


def ask(model: EndpointGeneration, prompts: Sequence[str]) -> list[Any]:
    windows = [model.prompt([{"role": "user", "content": prompt}], Sampling(5)) for prompt in prompts]
    return batching.forward_concurrently(model, windows, lambda: None, 0.01)


def replicas(model: Any) -> list[Replica]:
    found: list[Replica] = model._transport._replicas
    return found


def asked(servers: Servers) -> list[int]:
    return [len(server.requests) for server in servers]


def always(reply: Reply) -> Callable[[Request], Reply]:
    return lambda request: reply


def slow(request: Request) -> Reply:
    reply = echo(request)
    reply.delay = 0.05
    return reply


# Who gets a request.


def test_requests_go_where_the_fewest_are(servers: Servers) -> None:
    for server in servers:
        server.behaviour = slow
    model = EndpointGeneration(spec(servers, concurrency=4))
    assert model.concurrency == 12
    assert ask(model, PROMPTS) == CAPITALS
    assert [server.most_at_once for server in servers] == [4, 4, 4]
    assert sum(asked(servers)) == len(PROMPTS)
    assert all(replica.outstanding == 0 for replica in replicas(model))
    # One after the other, too: each in turn.
    before = asked(servers)
    for prompt in "abcdef":
        assert ask(model, [prompt]) == [prompt.upper()]
    assert [after - first for first, after in zip(before, asked(servers), strict=True)] == [2, 2, 2]


def test_a_slow_server_gets_less(servers: Servers) -> None:
    servers[0].behaviour = lambda request: Reply(chat(request.prompt.upper()), delay=0.2)
    for server in servers[1:]:
        server.behaviour = lambda request: Reply(chat(request.prompt.upper()), delay=0.01)
    assert ask(EndpointGeneration(spec(servers, concurrency=2)), PROMPTS) == CAPITALS
    first, *others = asked(servers)
    assert first * 2 < min(others)


def test_the_rate_limit_is_of_each_server(servers: Servers) -> None:
    model = EndpointGeneration(spec(servers, rate_limit={"requests": 2}))
    begun = time.monotonic()
    assert ask(model, PROMPTS[:6]) == CAPITALS[:6]
    assert asked(servers) == [2, 2, 2]
    assert time.monotonic() - begun < 30


# What fails.


@pytest.mark.parametrize(
    "reply",
    [
        OOPS,
        Reply(b"slow down", 429),
        Reply(b"come back tomorrow", 429, {"Retry-After": "86400"}),
        Reply(b"in a minute", 503, {"Retry-After": "50"}),
        Reply(b"wrong key", 401),
        Reply(b"no such model", 404),
        Reply(b"no credit", 402),
        Reply(b"", 307, {"Location": "/v1/chat/completions"}),
        Reply(b"<html>Log in", headers={"Content-Type": "text/html"}),
        Reply({"choices": []}),
        Reply(chat("x"), cut=10),
        Reply(b"what is max_tokens?", 400),
        Reply(hangs=True),
        Reply(chat("x"), drip=0.2),
    ],
    ids=lambda reply: f"{reply.status} {reply.content[:20]!r} {reply.hangs} {reply.drip}",
)
def test_what_one_server_fails_another_answers(servers: Servers, reply: Reply) -> None:
    servers[0].behaviour = always(reply)
    model = EndpointGeneration(spec(servers, timeout=3 if reply.hangs or reply.drip else 60))
    assert ask(model, PROMPTS) == CAPITALS
    good = Counter(request.prompt for server in servers[1:] for request in server.requests)
    assert good == dict.fromkeys(PROMPTS, 1)
    # Left out after what it failed at first; a text that it alone refuses tells nothing about it.
    assert reply.status == 400 or len(servers[0].requests) <= 2 * model.concurrency


def test_no_row_is_lost_when_servers_die_midway(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is killed, one hangs and one gives 500s, each after its tenth answer; one works on."""
    monkeypatch.setattr(replica, "_FIRST_EXCLUSION", 0.05)
    with contextlib.ExitStack() as stack:
        killing = contextlib.ExitStack()
        killed = killing.enter_context(FaultyEndpoint().running())
        hanging, failing, working = (stack.enter_context(FaultyEndpoint().running()) for _ in range(3))
        for server, reply in ((hanging, Reply(hangs=True)), (failing, OOPS)):
            server.behaviour = lambda request, server=server, reply=reply: (  # type: ignore[misc]
                slow(request) if len(server.requests) <= 10 else reply
            )
        killed.behaviour = working.behaviour = slow
        model = EndpointGeneration(spec([hanging, killed, failing, working], timeout=2, concurrency=4))

        def kill() -> None:
            while len(killed.requests) < 10:
                time.sleep(0.001)
            killing.close()

        killer = threading.Thread(target=kill)
        killer.start()
        many = [f"row {number}" for number in range(300)]
        assert ask(model, many) == [prompt.upper() for prompt in many]
        killer.join()
        assert killed.requests
        assert len(working.requests) > 150
        assert [each.is_suspect for each in replicas(model)] == [True, True, True, False]
        # It is tried again once its time is over, by one request at a time, and works on once it does.
        failing.behaviour = echo
        wait_until(lambda: ask(model, ["again"]) == ["AGAIN"] and not replicas(model)[2].is_suspect)


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_server_is_left_out_for_a_growing_time(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    servers[0].behaviour = always(OOPS)
    model = EndpointGeneration(spec(servers[:2]))
    first = replicas(model)[0]
    gone = []
    for _ in range(9):
        before = len(servers[0].requests)
        now[0] += 0.001
        assert event_loop_ask(model, "a") == "A"
        assert len(servers[0].requests) == before + 1
        gone.append(round(first.excluded_until - now[0]))
        # Nobody asks it meanwhile.
        now[0] += gone[-1] - 0.5
        assert event_loop_ask(model, "b") == "B"
        assert len(servers[0].requests) == before + 1
        now[0] += 1
    assert gone == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    servers[0].behaviour = echo
    assert event_loop_ask(model, "c") == "C"
    assert not first.is_suspect
    assert first.excluded_until == 0


def event_loop_ask(model: EndpointGeneration, prompt: str) -> Any:
    return model.forward([model.prompt([{"role": "user", "content": prompt}], Sampling(5))])[0]


def test_a_burst_that_fails_together_counts_once(servers: Servers) -> None:
    servers[0].behaviour = lambda request: Reply(b"oops", 500, delay=0.1)
    servers[1].behaviour = slow
    model = EndpointGeneration(spec(servers[:2]))
    assert ask(model, PROMPTS[:32]) == CAPITALS[:32]
    assert len(servers[0].requests) == 16
    assert replicas(model)[0]._failures == 1


def test_where_no_server_is_known_to_work_all_are_tried(servers: Servers) -> None:
    """A short outage of all is outlasted, as with one server."""
    for server in servers:
        server.behaviour = lambda request: OOPS if request.times <= 2 else echo(request)
    assert ask(EndpointGeneration(spec(servers)), PROMPTS) == CAPITALS


def test_all_fail(servers: Servers) -> None:
    for server in servers:
        server.behaviour = always(OOPS)
    (output,) = ask(EndpointGeneration(spec(servers, retries=3)), ["a"])
    assert isinstance(output, EndpointFailed)
    assert output.message.endswith("/v1 failed: HTTP 500: oops (tried 6 times, on 3 servers)")
    for server in servers:
        server.behaviour = always(Reply(b"no such model", 404))
        server.requests.clear()
    (failed,) = ask(EndpointGeneration(spec(servers)), ["a"])
    assert "HTTP 404: no such model (tried 3 times, on 3 servers)" in failed.error.message
    assert asked(servers) == [1, 1, 1]


def test_nobody_there() -> None:
    gone = ModelSpec("m", "generation", "http://127.0.0.1:1/v1#m", options={"replicas": ["http://127.0.0.1:2/v1"]})
    (output,) = ask(EndpointGeneration(gone), ["a"])
    assert "no connection: " in output.error.message
    assert output.error.message.endswith("(tried 7 times, on 2 servers)")


def test_a_text_that_two_servers_refuse_is_refused(servers: Servers) -> None:
    for server in servers:
        server.behaviour = lambda request: Reply(b"too long", 400) if request.prompt == "bad" else echo(request)
    model = EndpointGeneration(spec(servers))
    good, bad = ask(model, ["good", "bad"])
    assert good == "GOOD"
    assert isinstance(bad, TextRefused)
    assert bad.message.endswith("HTTP 400: too long (tried 2 times, on 2 servers)")
    assert sum(server.prompts()["bad"] for server in servers) == 2
    assert not any(replica.is_suspect for replica in replicas(model))


@pytest.mark.parametrize("reply", [Reply(chat("y" * 3000)), Reply({"choices": [{"message": {"refusal": "I won't"}}]})])
def test_what_comes_of_the_text_is_asked_once(servers: Servers, reply: Reply) -> None:
    for server in servers:
        server.behaviour = always(reply)
    (bad,) = ask(EndpointGeneration(spec(servers, max_response="2kB")), ["bad"])
    assert isinstance(bad, TextRefused)
    assert sum(asked(servers)) == 1


def test_a_slow_text_is_asked_once_of_each(servers: Servers) -> None:
    for server in servers:
        server.behaviour = always(Reply(hangs=True))
    (bad,) = ask(EndpointGeneration(spec(servers, timeout=1)), ["bad"])
    assert bad.message.endswith("no whole answer came within 1 seconds (tried 3 times, on 3 servers)")
    assert asked(servers) == [1, 1, 1]


def test_who_asks_to_wait_is_not_waited_for(servers: Servers) -> None:
    servers[0].behaviour = always(Reply(b"", 429, {"Retry-After": "50"}))
    model = EndpointGeneration(spec(servers[:2]))
    begun = time.monotonic()
    for prompt in ("a", "b", "c"):
        assert event_loop_ask(model, prompt) == prompt.upper()
    assert time.monotonic() - begun < 20
    assert asked(servers[:2]) == [1, 3]


def test_a_cancelled_request_gives_its_place_back(servers: Servers) -> None:
    for server in servers:
        server.behaviour = lambda request: Reply(hangs=True) if request.prompt == "hang" else echo(request)
    model = EndpointGeneration(spec(servers, concurrency=1))
    hanging = [model.submit([model.prompt([{"role": "user", "content": "hang"}], Sampling(1))]) for _ in range(5)]
    wait_until(lambda: sum(asked(servers)) == 3)
    # Those that wait for a place go first, or they would take it from those that are cancelled.
    for future in reversed(hanging):
        future.cancel()
    wait_until(lambda: sum(server.left for server in servers) == 3)
    assert ask(model, PROMPTS) == CAPITALS
    assert all(replica.outstanding == 0 for replica in replicas(model))


def test_places_are_waited_for(servers: Servers) -> None:
    """Also where a server goes while others wait for it."""

    async def wait() -> int:
        one = Replica(address.Address.of("http://127.0.0.1:1/v1#m"), address.Key({}), {"concurrency": 1})
        balancer = LoadBalancer([one])
        assert await balancer.acquire((), ()) is one
        waiting = [event_loop.asyncio.ensure_future(balancer.acquire((), ())) for _ in range(3)]
        done = 0
        for _ in waiting:
            await event_loop.asyncio.sleep(0.01)
            assert sum(each.done() for each in waiting) == done
            balancer.release(one)
            done += 1
        await event_loop.asyncio.gather(*waiting)
        return done

    assert event_loop.start(wait()).result(10) == 3


# Vectors and relevance: the servers have to serve the same model.


def embed(model: EndpointEmbedding, texts: Sequence[str]) -> list[Any]:
    windows = [windows[0] for windows in model.encode(texts)]
    return batching.forward_concurrently(model, windows, lambda: None, 0.01)


def other_model(request: Request) -> Reply:
    return Reply({"data": [{"index": n, "embedding": [0.0, 0.0, 1.0]} for n, _ in enumerate(request.body["input"])]})


def more_dimensions(request: Request) -> Reply:
    return Reply({"data": [{"index": n, "embedding": [1.0] * 4} for n, _ in enumerate(request.body["input"])]})


def right(texts: Sequence[str]) -> Any:
    return pytest.approx(np.asarray([[len(text), 1, 0] / np.hypot(len(text), 1) for text in texts]), abs=1e-6)


TEXTS = ["x" * length for length in range(1, 101)]


def test_vectors_of_several_servers(servers: Servers) -> None:
    model = EndpointEmbedding(spec(servers, "embedding", batch_size=2, concurrency=2))
    assert np.asarray(embed(model, TEXTS)) == right(TEXTS)
    assert all(count > 5 for count in asked(servers))


@pytest.mark.parametrize(("behaviour", "says"), [(other_model, "cosine similarity 0.00"), (more_dimensions, "4 dim")])
def test_servers_of_different_models_are_refused(
    servers: Servers, behaviour: Callable[[Request], Reply], says: str
) -> None:
    servers[2].behaviour = behaviour
    with pytest.raises(EndpointFailed, match=says) as caught:
        EndpointEmbedding(spec(servers, "embedding"))
    assert f"http://127.0.0.1:{servers[2].port}/v1 failed" in caught.value.message
    assert "same model" in str(caught.value.hint)


def test_a_server_that_comes_back_with_another_model_is_left_out(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "_FIRST_EXCLUSION", 0.01)
    monkeypatch.setattr(replica, "_MAX_EXCLUSION", 0.01)
    model = EndpointEmbedding(spec(servers[:2], "embedding", batch_size=2, concurrency=2))
    servers[1].behaviour = always(OOPS)
    assert np.asarray(embed(model, TEXTS)) == right(TEXTS)
    servers[1].behaviour = other_model
    for _ in range(3):
        time.sleep(0.02)
        assert np.asarray(embed(model, TEXTS)) == right(TEXTS)
    last = servers[1].requests[-1]
    assert last.body["input"] == [batches._SAMPLE]
    servers[1].behaviour = echo
    time.sleep(0.02)
    assert np.asarray(embed(model, TEXTS)) == right(TEXTS)
    assert not replicas(model)[1].is_suspect


def test_a_model_is_loaded_by_whoever_is_there(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_MAX_VERIFICATION", 0.2)
    servers[0].behaviour = always(OOPS)
    servers[1].behaviour = always(Reply(hangs=True))
    model = EndpointEmbedding(spec(servers, "embedding", timeout=1, retries=0))
    assert model.details == {"dimensions": 3}
    assert np.asarray(embed(model, TEXTS)) == right(TEXTS)
    for server in servers:
        server.behaviour = always(OOPS)
    with pytest.raises(EndpointFailed, match="HTTP 500"):
        EndpointEmbedding(spec(servers, "embedding"))


def test_relevance_by_several_servers(servers: Servers) -> None:
    model = EndpointRanking(spec(servers, "ranking"))
    windows = [window for (window,) in model.encode([("q", "abc"), ("r", "x")])]
    assert model.forward(windows) == pytest.approx([math.log(1 / 3), 0], abs=1e-4)

    def logits(request: Request) -> Reply:
        reply = echo(request)
        for row in reply.body["results"]:
            row["relevance_score"] = math.log(row["relevance_score"] / (1 - row["relevance_score"]))
        return reply

    servers[1].behaviour = logits
    with pytest.raises(EndpointFailed, match="by logits where other servers give probabilities"):
        EndpointRanking(spec(servers, "ranking"))
    servers[1].behaviour = lambda request: Reply(
        {"results": [{"index": n, "relevance_score": 0.9} for n, _ in enumerate(request.body["documents"])]}
    )
    with pytest.raises(EndpointFailed, match="its scores are not those of the other servers"):
        EndpointRanking(spec(servers, "ranking"))


# Addresses and keys.


def test_keys_of_their_own(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY_OF_THE_TEST", "sk-secret")
    address.KEYS.mkdir(parents=True)
    (address.KEYS / "second").write_text("sk-second\n")
    base = [server.source().partition("#")[0] for server in servers]
    options: dict[str, Any] = {
        "api_key_env": "KEY_OF_THE_TEST",
        "replicas": [{"source": f"{base[1]}#other", "api_key_file": "second"}, base[2]],
    }
    model = EndpointGeneration(ModelSpec("m", "generation", servers[0].source(), options=options))
    assert ask(model, PROMPTS) == CAPITALS
    sent = [{(r.headers.get("Authorization"), r.body["model"]) for r in server.requests} for server in servers]
    assert sent == [{("Bearer sk-secret", "big")}, {("Bearer sk-second", "other")}, {("Bearer sk-secret", "big")}]
    for server in servers:
        server.behaviour = always(Reply(b"sk-secret and sk-second are wrong", 500))
    error = ask(EndpointGeneration(ModelSpec("m", "generation", servers[0].source(), options=options)), ["a"])[0]
    assert isinstance(error, Error)
    for server in servers:
        server.behaviour = always(Reply(b"wrong sk-second", 401))
    refused = ask(model, ["a"])[0].error
    # The keys of the other servers are told to none, so that none can repeat them.
    assert "sk-secret are" not in f"{error.message}"
    assert "sk-" not in f"{refused.message} {refused.hint} {refused.__cause__}"
    (address.KEYS / "second").unlink()
    with pytest.raises(InvalidModel, match="pg_llm/keys/second of the data directory cannot be read"):
        EndpointGeneration(ModelSpec("m", "generation", servers[0].source(), options=options))


@pytest.mark.parametrize(
    ("replicas", "says"),
    [
        (["http://10.0.0.1/v1"], "in the clear"),
        (["https://ann:secret@host/v1"], "holds no password"),
        (["host/v1"], "names no host"),
        (["http://127.0.0.1:1/v1#m"], "given twice"),
        (["http://127.0.0.1:1/v1"], "given twice"),
        (["https://host/v1", "https://host/v1#m"], "given twice"),
        ([{"source": "https://host/v1", "api_key_env": "A", "api_key_file": "b"}], "not from both"),
        ([{"source": "https://host/v1", "api_key_file": "../x"}], "not the name of a key's file"),
        ([{"source": "https://host/v1", "api_key_env": "NOT_SET_HERE"}], "holds no key"),
        (["path:/etc/passwd"], "names no host"),
    ],
)
def test_replicas_that_are_refused(replicas: list[Any], says: str) -> None:
    with pytest.raises(InvalidModel, match=says) as caught:
        EndpointGeneration(ModelSpec("m", "generation", "http://127.0.0.1:1/v1#m", options={"replicas": replicas}))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "replicas",
    ["https://host/v1", [], [3], [None], [{}], [{"source": 3}], [{"source": "x", "headers": "y"}], ["x"] * 65],
)
def test_options_that_name_no_replicas(replicas: Any) -> None:
    with pytest.raises(InvalidInput, match='model option "replicas"'):
        check_options({"replicas": replicas})


def test_replicas_are_of_endpoints() -> None:
    with pytest.raises(InvalidInput, match="option replicas is of endpoints"):
        loading.resolve(ModelSpec("m", "embedding", "path:/srv/x", options={"replicas": ["https://host/v1"]}))
