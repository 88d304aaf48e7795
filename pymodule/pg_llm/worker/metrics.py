"""Figures of a worker for Prometheus, in its text format, on the loopback interface only."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import psycopg

from pg_llm.worker import session

# As the format asks for in the value of a label.
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_STREAM = (
    ("running", "gauge", "Whether the stream runs: neither paused nor stopped by an error."),
    ("rows_total", "counter", "Records taken or sent."),
    ("dead_total", "counter", "Records that became dead letters."),
    ("late_total", "counter", "Records whose event time lay before the watermark."),
    ("lag", "gauge", "Records that wait, when a worker last looked."),
)
_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Figures:
    """What a worker has done since it was started; `pid` is its process on the server, None while it has none."""

    rows: int = 0
    failures: int = 0
    connections: int = 0
    pid: int | None = None

    def connected(self, pid: int) -> None:
        """A session began."""
        self.connections += 1
        self.pid = pid

    def disconnected(self) -> None:
        """The session has ended."""
        self.pid = None

    def worked(self, done: int, failed: int) -> None:
        """A call did so many rows, and so many attempts failed."""
        self.rows += done
        self.failures += failed


def exposition(figures: Figures, backlog: session.Backlog | None) -> str:
    """The figures in Prometheus' text format; what waits is left out where the server does not say."""
    lines = [
        *_metric("up", "gauge", "Whether the worker is connected to the server.", int(figures.pid is not None)),
        *_metric("connections_total", "counter", "Connections that were made.", figures.connections),
        *_metric("rows_total", "counter", "Rows done.", figures.rows),
        *_metric("failures_total", "counter", "Attempts that failed.", figures.failures),
    ]
    if backlog is not None:
        lines += _metric("waiting_rows", "gauge", "Rows that the worker may do and that wait.", backlog.rows)
        lines += _metric("lag_seconds", "gauge", "For how long the oldest of them has been waiting.", backlog.seconds)
        lines += _of_streams(backlog.streams)
    return "\n".join(lines) + "\n"


def serve(dsn: str, figures: Figures, port: int) -> int:
    """Answer at http://127.0.0.1:PORT/metrics as long as the process lives. Returns the port, a free one for 0."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            body = exposition(figures, _backlog(dsn, figures.pid)).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", _TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: Prometheus asks every few seconds."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


def _of_streams(streams: Sequence[session.StreamFigures]) -> list[str]:
    """A line for each stream and figure, which follow their description."""
    lines = []
    for name, kind, meaning in _STREAM:
        full = f"pg_llm_stream_{name}"
        lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}"] if streams else []
        for stream in streams:
            value = int(getattr(stream, name.removesuffix("_total")))
            lines.append(f'{full}{{stream="{stream.name.translate(_ESCAPED)}"}} {value}')
    return lines


def _metric(name: str, kind: str, meaning: str, value: float) -> list[str]:
    full = f"pg_llm_worker_{name}"
    return [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}", f"{full} {value}"]


def _backlog(dsn: str, pid: int | None) -> session.Backlog | None:
    """What waits for the worker; None where there is no session, or no answer."""
    try:
        return session.backlog(dsn, pid) if pid is not None else None
    except (psycopg.Error, session.NotInstalled):
        return None
