"""The backend's side of the socket, against a listener that misbehaves in every way a dying host can."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm import protocol
from pg_llm.errors import HostLost, UndefinedModel, to_wire
from pg_llm.protocol import Message
from pg_llm.runtime import client
from pg_llm.runtime.result_cache import ResultCache

MODEL: Message = {"name": "m"}
Answer = Callable[[list[Message]], list[Message | bytes]]


class Cancelled(Exception):
    pass


class Host(threading.Thread):
    """Reads `ahead` requests at a time and sends what `answer` makes of them; b"" closes the connection."""

    def __init__(self, answer: Answer, ahead: int = 1) -> None:
        super().__init__(daemon=True)
        self._answer = answer
        self._ahead = ahead
        self.connections = 0
        self.requests: list[Message] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(protocol.SOCKET)
        self._listener.listen()

    def run(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            # A client that gave up closes while it is answered.
            with channel, channel.makefile("rb") as stream, contextlib.suppress(OSError):
                self._serve(channel, stream)

    def _serve(self, channel: socket.socket, stream: Any) -> None:
        while True:
            read = [self._read(stream) for _ in range(self._ahead)]
            requests = [request for request in read if request]
            self.requests += requests
            for frame in self._answer(requests) if requests else [b""]:
                if not frame:
                    return
                channel.sendall(frame if isinstance(frame, bytes) else protocol.encode(frame))

    @staticmethod
    def _read(stream: Any) -> Message | None:
        header = stream.read(protocol.HEADER.size)
        if len(header) < protocol.HEADER.size:
            return None
        message = protocol.decode(stream.read(protocol.size(header)))
        return protocol.complete(message, stream.read(protocol.texts_size(message)))

    def close(self) -> None:
        client.disconnect()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join(10)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Host]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "_cached_results", ResultCache(1 << 20))
    # The host's process is the test's own, and does not end.
    monkeypatch.setattr(client, "_EXIT_TIMEOUT", 0.05)
    (tmp_path / protocol.FOLDER).mkdir()
    started: list[Host] = []

    def start(answer: Answer, ahead: int = 1) -> Host:
        started.append(Host(answer, ahead))
        started[-1].start()
        return started[-1]

    yield start
    for running in started:
        running.close()


def upper(requests: list[Message]) -> list[Message | bytes]:
    return [{"id": r["id"], "result": [text.upper() for text in r["inputs"]]} for r in requests]


def run(texts: list[str], poll: Callable[[], object] = lambda: None) -> list[str]:
    return client.run("shared", "embedding", MODEL, texts, {"role": "query"}, poll)


def test_results_come_in_order_over_one_connection(host: Callable[..., Host]) -> None:
    listener = host(upper)
    texts = [f"text {number}" for number in range(1000)]
    assert run(texts) == [text.upper() for text in texts]
    assert run(["more"]) == ["MORE"]
    assert listener.connections == 1
    assert all((r["op"], r["model"], r["options"]) == ("run", MODEL, {"role": "query"}) for r in listener.requests)
    assert len({request["id"] for request in listener.requests}) == len(listener.requests) > 2


def test_answers_in_any_order_are_put_in_order(host: Callable[..., Host]) -> None:
    host(lambda requests: upper(requests)[::-1], ahead=2)
    texts = [f"text {number}" for number in range(512)]
    assert run(texts) == [text.upper() for text in texts]


def test_an_answer_in_pieces_is_waited_for(host: Callable[..., Host]) -> None:
    host(lambda requests: [protocol.encode(a)[n : n + 7] for a in upper(requests) for n in range(0, 100, 7)][:12])
    assert run(["x" * 30]) == ["X" * 30]


def test_an_error_arrives_as_itself_and_the_next_call_works(host: Callable[..., Host]) -> None:
    failed = to_wire(UndefinedModel("no such model"))
    answers = iter([lambda rs: [{"id": rs[0]["id"], "error": failed}], upper])
    host(lambda requests: next(answers)(requests))
    with pytest.raises(UndefinedModel, match="no such model"):
        run(["a"])
    assert run(["b"]) == ["B"]


def test_the_error_of_one_text_stands_in_its_place_and_is_asked_for_again(host: Callable[..., Host]) -> None:
    def answer(requests: list[Message]) -> list[Message | bytes]:
        (request,) = requests
        results = ["" if text == "bad" else text.upper() for text in request["inputs"]]
        errors = [[place, to_wire(UndefinedModel(f"bad {place}"))] for place, text in enumerate(results) if not text]
        return [{"id": request["id"], "result": results, "errors": errors}]

    listener = host(answer)
    first, failed, last = run(["a", "bad", "c"])
    assert (first, type(failed), str(failed), last) == ("A", UndefinedModel, "bad 1", "C")
    assert [str(each) for each in run(["a", "bad", "c"])] == ["A", "bad 0", "C"]
    assert [(request["reads"], request["inputs"]) for request in listener.requests] == [
        (["texts", "errors"], ["a", "bad", "c"]),
        (["texts", "errors"], ["bad"]),
    ]


@pytest.mark.parametrize("last", [[b""], [b"\0\0"], [b"\0\0\0\x09{", b""]])
def test_a_host_that_dies_while_it_answers_is_asked_again(host: Callable[..., Host], last: list[bytes]) -> None:
    deaths = iter([last, None])

    def answer(requests: list[Message]) -> list[Message | bytes]:
        return upper(requests) if (dying := next(deaths)) is None else [*dying, b""]

    listener = host(answer)
    assert run(["a"]) == ["A"]
    assert listener.connections == 2


def test_a_host_that_always_dies_is_given_up(host: Callable[..., Host]) -> None:
    listener = host(lambda requests: [b""])
    with pytest.raises(HostLost, match="3 times"):
        run(["a"])
    assert listener.connections == 3


def test_a_cancel_closes_the_connection_so_that_no_late_answer_is_taken_for_another(host: Callable[..., Host]) -> None:
    release = threading.Event()

    def answer(requests: list[Message]) -> list[Message | bytes]:
        if requests[0]["inputs"] == ["slow"]:
            assert release.wait(10)
        return upper(requests)

    listener = host(answer)

    def poll() -> None:
        release.set()
        raise Cancelled

    with pytest.raises(Cancelled):
        run(["slow"], poll)
    assert run(["next"]) == ["NEXT"]
    assert listener.connections == 2


def test_nobody_is_started_to_be_asked_how_he_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert client.ask_if_running({"op": "status", "models": []}, lambda: None) is None
    assert not list(tmp_path.iterdir())


def test_no_texts_no_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([]) == []
    assert not list(tmp_path.iterdir())


@given(st.lists(st.text(max_size=10) | st.integers(0, 1 << 20).map(lambda length: "x" * length), max_size=20))
def test_requests_hold_every_text_once_and_are_bounded(texts: list[str]) -> None:
    chunks = list(client.chunks(texts))
    assert [text for chunk in chunks for text in chunk] == texts
    assert all(len(chunk) == 1 or sum(map(len, chunk)) <= client._CHUNK_CHARACTERS for chunk in chunks)
    assert all(0 < len(chunk) <= client._CHUNK_TEXTS for chunk in chunks)


def test_short_calls_are_remembered_and_long_ones_are_not(host: Callable[..., Host]) -> None:
    asked: list[str] = []

    def answer(requests: list[Message]) -> list[Message | bytes]:
        asked.extend(text for request in requests for text in request["inputs"])
        return upper(requests)

    host(answer)
    assert run(["a", "b", "a"]) == ["A", "B", "A"]
    assert run(["b", "c"]) == ["B", "C"]
    assert asked == ["a", "b", "c"]
    long = [f"text {number}" for number in range(100)]
    assert run(long) == run(long) == [text.upper() for text in long]
    assert len(asked) == 203


def test_options_and_engine_are_part_of_what_is_remembered(host: Callable[..., Host]) -> None:
    asked: list[Message] = []

    def answer(requests: list[Message]) -> list[Message | bytes]:
        asked.extend(requests)
        return upper(requests)

    host(answer)
    for role in ("query", "document", "query"):
        client.run("shared", "embedding", MODEL, ["a"], {"role": role}, lambda: None)
    client.run("shared", "classification", MODEL, ["a"], {"role": "query"}, lambda: None)
    client.run("shared", "embedding", {**MODEL, "digest": "other"}, ["a"], {"role": "query"}, lambda: None)
    assert len(asked) == 4


def test_a_host_that_cannot_be_reached_is_not_one_that_does_not_run(
    host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_connection", None)
    assert client.ask_if_running({"op": "status"}, lambda: None) is None
    host(lambda requests: [b""])
    with pytest.raises(HostLost, match="3 times"):
        client.ask_if_running({"op": "status"}, lambda: None)
