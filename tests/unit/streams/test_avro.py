"""Records in Avro: schemas from a registry, values as PostgreSQL reads them, what cannot be read."""

from __future__ import annotations

import datetime
import decimal
import http.server
import io
import json
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pg_llm.streams.formats import Undecodable
from pg_llm.worker.streams.source import SourceFailed

fastavro = pytest.importorskip("fastavro", reason="there is no Python module fastavro: pip install it to run this test")

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "body", "type": ["null", "string"]},
    {"name": "raw", "type": "bytes"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
]
SCHEMA = {"type": "record", "name": "event", "fields": FIELDS}
ROW = {
    "id": 7,
    "body": "Zoë",
    "raw": b"\x00\xff",
    "at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "amount": decimal.Decimal("12.50"),
}


class Registry(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        Registry.asked += 1
        schemas: dict[str, Any] = {
            "/schemas/ids/1": {"schema": json.dumps(SCHEMA)},
            "/schemas/ids/2": {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"},
            "/schemas/ids/3": {"schema": '{"type": "nonsense"}'},
        }
        if self.headers["Authorization"] != "Basic bWU6c2VjcmV0":
            self.send_error(401)
        elif self.path not in schemas:
            self.send_error(404)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(schemas[self.path]).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def reader(monkeypatch: pytest.MonkeyPatch, url: str, password: str = "secret") -> Any:
    from pg_llm.worker.streams.avro import Avro

    settings = {"url": url, "username": "me", "password": password}
    monkeypatch.setenv("PG_LLM_REGISTRY_SCHEMAS", json.dumps(settings))
    return Avro("SCHEMAS")


def record(number: int = 1) -> bytes:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(SCHEMA), ROW)
    return struct.pack(">bI", 0, number) + written.getvalue()


def test_values_as_postgresql_reads_them(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    avro = reader(monkeypatch, url)
    before = Registry.asked
    for _ in range(3):
        assert json.loads(avro.text(record())) == {
            "id": 7,
            "body": "Zoë",
            "raw": "\\x00ff",
            "at": "2026-01-01T00:00:00+00:00",
            "amount": "12.50",
        }
    assert Registry.asked == before + 1


@pytest.mark.parametrize(
    "payload",
    [
        None,
        b"",
        b"{}",
        b'{"id": 1}',
        record()[:-1],
        record()[:6],
        record(2),
        record(3),
        record(9),
        b"\0\0\0\0\1" + b"\xff" * 20,
    ],
)
def test_what_cannot_be_read(monkeypatch: pytest.MonkeyPatch, url: str, payload: bytes | None) -> None:
    with pytest.raises(Undecodable):
        reader(monkeypatch, url).text(payload)


def test_a_registry_that_is_not_to_be_had_makes_no_dead_letters(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for avro in (reader(monkeypatch, url, "wrong"), reader(monkeypatch, "http://127.0.0.1:9")):
        with pytest.raises(SourceFailed):
            avro.text(record())
    with pytest.raises(SourceFailed, match="http or https"):
        reader(monkeypatch, "file:///etc/passwd")
