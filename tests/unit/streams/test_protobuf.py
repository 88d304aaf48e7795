"""Records in Protocol Buffers: schemas from a registry, values as PostgreSQL reads them, what cannot be read."""

from __future__ import annotations

import base64
import http.server
import json
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pg_llm.streams.formats import Undecodable
from pg_llm.worker.streams.source import SourceFailed

pytest.importorskip(
    "google.protobuf", reason="there is no Python module google.protobuf: pip install protobuf to run this test"
)
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, timestamp_pb2

# As protoc would describe these files.
SHARED = """
    name: "shared.proto" syntax: "proto3"
    message_type { name: "Shop" field { name: "city" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }
"""
EVENT = """
    name: "event.proto" syntax: "proto3" dependency: "google/protobuf/timestamp.proto" dependency: "shared.proto"
    enum_type { name: "Kind" value { name: "NONE" number: 0 } value { name: "SALE" number: 1 } }
    message_type { name: "Other" }
    message_type {
        name: "Event"
        field { name: "id" number: 1 type: TYPE_INT64 label: LABEL_OPTIONAL }
        field { name: "body" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL proto3_optional: true oneof_index: 0 }
        field { name: "raw" number: 3 type: TYPE_BYTES label: LABEL_OPTIONAL }
        field { name: "kind" number: 4 type: TYPE_ENUM type_name: ".Kind" label: LABEL_OPTIONAL }
        field { name: "at" number: 5 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL }
        field { name: "shops" number: 6 type: TYPE_MESSAGE type_name: ".Shop" label: LABEL_REPEATED }
        field { name: "counts" number: 7 type: TYPE_MESSAGE type_name: ".Event.CountsEntry" label: LABEL_REPEATED }
        field { name: "rate" number: 8 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
        oneof_decl { name: "_body" }
        nested_type {
            name: "CountsEntry" options { map_entry: true }
            field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
            field { name: "value" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
        }
    }
"""


def described(text: str) -> bytes:
    return text_format.Parse(text, descriptor_pb2.FileDescriptorProto()).SerializeToString()


def told(text: str, **more: Any) -> dict[str, Any]:
    return {"schema": base64.b64encode(described(text)).decode(), "schemaType": "PROTOBUF"} | more


REFERENCES = [{"name": "shared.proto", "subject": "a/b shared", "version": 2}]
SCHEMAS: dict[str, Any] = {
    "/schemas/ids/1": told(EVENT, references=REFERENCES),
    "/subjects/a%2Fb%20shared/versions/2": told(SHARED, id=3),
    "/schemas/ids/2": {"schema": '"string"'},
    "/schemas/ids/3": told(EVENT),
    "/schemas/ids/4": {"schema": "no base 64", "schemaType": "PROTOBUF"},
    "/schemas/ids/5": told(EVENT, references=[{"name": "event.proto", "subject": "itself", "version": 1}]),
    "/subjects/itself/versions/1": told(EVENT, references=[{"name": "event.proto", "subject": "itself", "version": 1}]),
}


class Registry(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        Registry.asked += 1
        path, _, query = self.path.partition("?")
        assert query == "format=serialized"
        if path not in SCHEMAS:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(SCHEMAS[path]).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from pg_llm.worker.streams.protobuf import Protobuf

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PG_LLM_REGISTRY_LOCAL", json.dumps({"url": f"http://127.0.0.1:{server.server_address[1]}"}))
    yield Protobuf("LOCAL")
    server.shutdown()
    server.server_close()


def record(number: int = 1, path: bytes = b"\x02\x02", **fields: Any) -> bytes:
    """A record of the second message of its file, unless another path is given."""
    pool = descriptor_pool.DescriptorPool()
    for file in (timestamp_pb2.DESCRIPTOR.serialized_pb, described(SHARED), described(EVENT)):
        pool.AddSerializedFile(file)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName("Event"))(**fields)
    return struct.pack(">bI", 0, number) + path + message.SerializeToString()


def test_values_as_postgresql_reads_them(reader: Any) -> None:
    fields: dict[str, Any] = {"id": 1 << 60, "body": "Zoë", "raw": b"\0\xff", "kind": "SALE", "rate": float("nan")}
    fields |= {"shops": [{"city": "Bern"}, {}], "counts": {"a": 1}, "at": {"seconds": 1767225600}}
    before = Registry.asked
    for _ in range(3):
        assert json.loads(reader.text(record(**fields))) == {
            "id": 1 << 60,
            "body": "Zoë",
            "raw": "\\x00ff",
            "kind": "SALE",
            "at": "2026-01-01T00:00:00Z",
            "shops": [{"city": "Bern"}, {"city": ""}],
            "counts": {"a": 1},
            "rate": "nan",
        }
    # The schema and the file that it names, once.
    assert Registry.asked == before + 2
    assert json.loads(reader.text(record())) == {
        "id": 0,
        "body": None,
        "raw": "\\x",
        "kind": "NONE",
        "at": None,
        "shops": [],
        "counts": {},
        "rate": 0,
    }
    # The first message of the file is said shortly.
    assert reader.text(record(path=b"\0")) == "{}"


@pytest.mark.parametrize(
    "payload",
    [
        None,
        b"",
        b'{"id": 1}',
        record()[:5],
        record(path=b"\x02\x08"),
        record(path=b"\x04\x02\x02"),
        record(path=b"\x01\x01"),
        record(path=b"\xff" * 20),
        record(path=b"\x02\x02\xff\xff"),
        record(2),
        record(3),
        record(4),
        record(5),
        record(9),
    ],
)
def test_what_cannot_be_read(reader: Any, payload: bytes | None) -> None:
    with pytest.raises(Undecodable):
        reader.text(payload)


def test_a_registry_that_is_not_to_be_had_makes_no_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    from pg_llm.worker.streams.protobuf import Protobuf

    monkeypatch.setenv("PG_LLM_REGISTRY_LOCAL", '{"url": "http://127.0.0.1:9"}')
    with pytest.raises(SourceFailed):
        Protobuf("LOCAL").text(record())
