"""An OpenAI-compatible endpoint on loopback that fails in every way it is told to, and keeps what it was asked."""

from __future__ import annotations

import contextlib
import http.server
import json
import select
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """What was asked, and how often the same body has been sent, this time included."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    times: int

    @property
    def prompt(self) -> str:
        """The last message of a chat; empty for another request."""
        return str(self.body["messages"][-1]["content"]) if "messages" in self.body else ""


@dataclass
class Reply:
    """An answer; one that is cut ends after so many bytes, one that drips has a pause after every byte."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hangs: bool = False
    cut: int | None = None
    drip: float = 0.0

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def chat(text: str | None, finish_reason: str = "stop", **more: Any) -> dict[str, Any]:
    """The JSON of a chat completion."""
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10}
    return {"choices": [{"message": message, "finish_reason": finish_reason, **more}], "usage": usage}


def echo(request: Request) -> Reply:
    """The prompt in capitals; vectors by the lengths of the texts, in another order; scores by their lengths."""
    if request.path.endswith("/embeddings"):
        rows = [{"index": n, "embedding": [float(len(text)), 1.0, 0.0]} for n, text in enumerate(request.body["input"])]
        return Reply({"data": rows[::-1]})
    if request.path.endswith("/rerank"):
        scores = [1 / (1 + len(text)) for text in request.body["documents"]]
        return Reply({"results": [{"index": n, "relevance_score": score} for n, score in enumerate(scores)][::-1]})
    return Reply(chat(request.prompt.upper()))


Behaviour = Callable[[Request], Reply]


class FaultyEndpoint:
    """Answers by `behaviour`; `most_at_once` is how many requests were under way together, `left` who did not wait."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = echo
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.left = 0
        self._under_way = 0
        self._times: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connections: set[socket.socket] = set()
        self.port = 0

    def source(self, path: str = "/v1", model: str = "big") -> str:
        return f"http://127.0.0.1:{self.port}{path}#{model}"

    def prompts(self) -> Counter[str]:
        """How often each prompt was asked."""
        return Counter(request.prompt for request in self.requests if "messages" in request.body)

    @contextlib.contextmanager
    def running(self, context: ssl.SSLContext | None = None) -> Iterator[FaultyEndpoint]:
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                with endpoint._count(), contextlib.suppress(OSError):
                    endpoint._reply(self, endpoint._receive(self, content))

            def setup(self) -> None:
                super().setup()
                endpoint._connections.add(self.connection)

            def finish(self) -> None:
                endpoint._connections.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 300
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that leaves is no error."""

        with Server(("127.0.0.1", self.port), Handler) as server:
            self.port = server.server_address[1]
            if context is not None:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield self
            finally:
                self._ended.set()
                server.shutdown()
                thread.join()
                # As a process that ends does, with answers on their way.
                for connection in [*self._connections]:
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _count(self) -> Iterator[None]:
        with self._lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def _receive(self, handler: http.server.BaseHTTPRequestHandler, content: bytes) -> Request:
        with self._lock:
            self._times[f"{handler.path} {content!r}"] += 1
            times = self._times[f"{handler.path} {content!r}"]
            request = Request(handler.path, dict(handler.headers.items()), json.loads(content), times)
            self.requests.append(request)
        return request

    def _reply(self, handler: http.server.BaseHTTPRequestHandler, request: Request) -> None:
        reply = self.behaviour(request)
        time.sleep(reply.delay)
        while reply.hangs and not self._ended.is_set():
            if select.select([handler.connection], [], [], 0.02)[0] and not handler.connection.recv(1):
                self.left += 1
                handler.close_connection = True
                return
        content = reply.content
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if reply.cut is not None:
            handler.wfile.write(content[: reply.cut])
            handler.close_connection = True
            return
        for start in range(0, len(content), 1 if reply.drip else len(content)):
            handler.wfile.write(content[start : start + 1] if reply.drip else content)
            if reply.drip and self._ended.wait(reply.drip):
                return
