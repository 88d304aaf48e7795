"""A webhook on the loopback interface as a source: a request is answered once its records are in the database."""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

import hmac
import http.server
import queue
import threading
import time
from http import HTTPStatus
from typing import Any

from pg_llm.streams.sources import MAX_BYTES
from pg_llm.worker.streams.source import Record, Source, SourceFailed, setting

# Requests that wait, so that memory is bounded; and seconds until one is told to come again.
_WAITING = 100
_PATIENCE = 30.0
# Requests are held in memory until they are written: so many times the size of the largest at once.
_LARGEST_AT_ONCE = 2
_MOST_DIGITS = 12


class _Request:
    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.done = threading.Event()


class Http(Source):
    def __init__(self, source: dict[str, Any]) -> None:
        self._token = setting("HTTP", source["token"]) if "token" in source else None
        self._most = source.get("max_bytes", MAX_BYTES)
        self._queue: queue.Queue[_Request] = queue.Queue(_WAITING)
        self._held, self._holding = 0, threading.Lock()
        self._reading: list[tuple[int, _Request]] = []
        self._position = 0
        self._port = source["port"]
        self._server: http.server.ThreadingHTTPServer | None = None

    def partitions(self) -> list[str]:
        return ["requests"]

    def start(self, partition: str, at: float | None) -> int:
        return 0

    def assign(self, positions: dict[str, int]) -> None:
        # Only who holds the lease answers at the port.
        self._position = positions.get("requests", 0)
        self.close()
        if positions:
            try:
                self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
            except OSError as error:
                raise SourceFailed(f"the port {self._port} cannot be used: {error.strerror}") from None
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def read(self, limit: int, seconds: float) -> list[Record]:
        records: list[Record] = []
        try:
            while len(records) < limit:
                request = self._queue.get(timeout=0.001 if records else seconds)
                records.append(Record("requests", self._position, request.payload, None, time.time() * 1000))
                self._reading.append((self._position, request))
                self._position += 1
        except queue.Empty:
            pass
        return records

    def written(self, positions: dict[str, int]) -> None:
        for position, request in self._reading:
            if position < positions["requests"]:
                request.done.set()
        self._reading = [(position, request) for position, request in self._reading if not request.done.is_set()]

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        source = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = _PATIENCE

            def do_POST(self) -> None:
                self.send_error(source._accept(self))

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: requests are many, and hold data."""

        return Handler

    def _accept(self, handler: http.server.BaseHTTPRequestHandler) -> HTTPStatus:
        given = handler.headers.get("Authorization", "")
        if self._token is not None and not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return HTTPStatus.UNAUTHORIZED
        length = handler.headers.get("Content-Length", "")
        if not length.isdecimal():
            return HTTPStatus.LENGTH_REQUIRED
        if len(length) > _MOST_DIGITS or int(length) > self._most:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if not self._hold(int(length)):
            return HTTPStatus.SERVICE_UNAVAILABLE
        try:
            return self._wait(_Request(handler.rfile.read(int(length))))
        finally:
            self._hold(-int(length))

    def _hold(self, size: int) -> bool:
        """Count bytes that are held, negative ones for those no longer; False where there would be too many."""
        with self._holding:
            if size > 0 and self._held + size > _LARGEST_AT_ONCE * self._most:
                return False
            self._held += size
            return True

    def _wait(self, request: _Request) -> HTTPStatus:
        try:
            self._queue.put(request, timeout=1)
        except queue.Full:
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.OK if request.done.wait(_PATIENCE) else HTTPStatus.GATEWAY_TIMEOUT
