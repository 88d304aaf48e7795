"""Streams from Redis, NATS, MQTT and RabbitMQ: where their servers and clients are, which nothing here installs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import getpass
import http.server
import importlib
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import kafka
import psycopg
import pytest
from database import value
from psycopg import errors
from streams import Start, wait_for, workers

SCHEMA = {
    "type": "record",
    "name": "event",
    "fields": [{"name": "id", "type": "long"}, {"name": "body", "type": "string"}],
}


@pytest.fixture
def start() -> Iterator[Start]:
    with workers() as run:
        yield run


def needed(program: str, module: str) -> str:
    """The path of a server, for a test that is skipped where it or the client is not there."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip(f"there is no {program}: apt-get install it to run this test")
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"there is no Python module {module}: pip install it to run this test")
    return path


@contextlib.contextmanager
def server(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not kafka.is_open(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def create(db: psycopg.Connection, **source: Any) -> None:
    db.execute(
        "CALL stream_create('events', %s, 'event', '[\"id bigint\", \"body text\"]', max_delay => '50 ms')",
        (json.dumps(source),),
    )


def test_redis(db: psycopg.Connection, start: Start, tmp_path: Path) -> None:
    program = needed("redis-server", "redis")
    redis = importlib.import_module("redis")
    port = kafka.free_port()
    command = [program, "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    with server(command, port):
        client = redis.Redis(port=port)
        for n in range(500):
            client.xadd("events", {"id": n, "body": f"event {n}"})
        client.xadd("events", {"id": 500, "body": b"\xff\xfe"})
        create(db, kind="redis", servers=f"127.0.0.1:{port}", topic="events")
        worker = start(db.info.dsn)
        wait_for(db, "SELECT count(*) = 500 FROM event")
        worker.kill()
        for n in range(501, 1000):
            client.xadd("events", {"id": n, "body": f"event {n}"})
        start(db.info.dsn)
        wait_for(db, "SELECT count(*) = 999 AND count(DISTINCT id) = 999 FROM event")
        assert value(db, "SELECT sqlstate FROM stream_dead_letter") == "22P03"
        # From the beginning once more.
        db.execute("TRUNCATE event; SELECT stream_seek('events', NULL, 0)")
        wait_for(db, "SELECT count(*) = 999 FROM event")
    wait_for(db, "SELECT error LIKE 'Redis does not answer%' FROM stream_stats")


def test_nats(db: psycopg.Connection, start: Start, tmp_path: Path) -> None:
    program = needed("nats-server", "nats")
    nats = importlib.import_module("nats")
    port = kafka.free_port()

    async def publish(first: int, last: int) -> None:
        connection = await nats.connect(f"nats://127.0.0.1:{port}")
        stream = connection.jetstream()
        await stream.add_stream(name="events", subjects=["event.*"])
        for n in range(first, last):
            await stream.publish(f"event.{n % 3}", json.dumps({"id": n, "body": "x"}).encode())
        await connection.close()

    with server([program, "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", str(tmp_path)], port):
        asyncio.run(publish(0, 500))
        create(db, kind="nats", servers=f"nats://127.0.0.1:{port}", topic="events")
        worker = start(db.info.dsn)
        wait_for(db, "SELECT count(*) = 500 FROM event")
        worker.kill()
        moment = value(db, "SELECT clock_timestamp()")
        asyncio.run(publish(500, 700))
        start(db.info.dsn)
        wait_for(db, "SELECT count(*) = 700 AND count(DISTINCT id) = 700 FROM event")
        db.execute("TRUNCATE event")
        db.execute("SELECT stream_seek('events', at => %s)", (moment,))
        wait_for(db, "SELECT count(*) = 200 AND min(id) = 500 FROM event")
    wait_for(db, "SELECT error LIKE 'NATS does not answer%' FROM stream_stats", 60)


def test_mqtt(db: psycopg.Connection, start: Start, tmp_path: Path) -> None:
    program = needed("mosquitto", "paho")
    mqtt = importlib.import_module("paho.mqtt.client")
    port = kafka.free_port()
    configuration = tmp_path / "mosquitto.conf"
    # As whoever runs the test, also root.
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n")
    with server([program, "-c", str(configuration)], port):
        create(db, kind="mqtt", servers=f"127.0.0.1:{port}", topic="sensor/#")
        worker = start(db.info.dsn)
        wait_for(db, "SELECT count(worker) = 1 FROM stream_stats")
        time.sleep(0.5)
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", port)
        client.loop_start()

        def publish(first: int, last: int) -> None:
            for n in range(first, last):
                client.publish(f"sensor/{n % 3}", json.dumps({"id": n}), qos=1).wait_for_publish(10)

        publish(0, 200)
        wait_for(db, "SELECT count(*) = 200 FROM event")
        worker.kill()
        # Kept by the broker until a worker is there; what was not answered may come twice.
        publish(200, 300)
        start(db.info.dsn)
        wait_for(db, "SELECT count(DISTINCT id) = 300 FROM event")
        client.loop_stop()


@contextlib.contextmanager
def rabbitmq(program: str, folder: Path) -> Iterator[int]:
    """The port of a server with its files in a folder."""
    ports = {"RABBITMQ_NODE_PORT", "RABBITMQ_DIST_PORT", "ERL_EPMD_PORT"}
    given = {port: str(kafka.free_port()) for port in sorted(ports)}
    places = {"MNESIA_BASE": "data", "LOG_BASE": "log", "ENABLED_PLUGINS_FILE": "plugins", "CONFIG_FILE": "none"}
    given |= {f"RABBITMQ_{name}": str(folder / place) for name, place in places.items()}
    given |= {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"pg_llm_{os.getpid()}@localhost",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    with open(folder / "output", "wb") as output:
        # It starts others, which end with its group.
        process = subprocess.Popen(
            [program], stdout=output, stderr=output, env=dict(os.environ) | given, start_new_session=True
        )
    port = int(given["RABBITMQ_NODE_PORT"])
    try:
        deadline = time.monotonic() + 60
        while not kafka.is_open(port):
            assert time.monotonic() < deadline, (folder / "output").read_text()[-2000:]
            time.sleep(0.2)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        epmd = shutil.which("epmd")
        assert epmd is not None
        # It ends once it has seen that the server is gone.
        deadline = time.monotonic() + 10
        while kafka.is_open(int(given["ERL_EPMD_PORT"])) and time.monotonic() < deadline:
            subprocess.run([epmd, "-kill"], env=dict(os.environ) | given, capture_output=True, check=False)
            time.sleep(0.1)


@pytest.mark.parametrize("kind", ["stream", "classic"])
def test_rabbitmq(db: psycopg.Connection, start: Start, tmp_path: Path, kind: str) -> None:
    program = needed("rabbitmq-server", "pika")
    pika = importlib.import_module("pika")
    program = next(iter(str(found) for found in Path("/usr/lib/rabbitmq/bin").glob("rabbitmq-server")), program)
    with rabbitmq(program, tmp_path) as port:
        create(db, kind="rabbitmq", servers=f"127.0.0.1:{port}", topic="events")
        worker = start(db.info.dsn)
        wait_for(db, "SELECT bool_or(error LIKE '%NOT_FOUND - no queue ''events''%') FROM stream_stats")
        connection = pika.BlockingConnection(pika.ConnectionParameters(port=port))
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("events", durable=True, arguments={"x-queue-type": kind})

        def publish(first: int, last: int) -> None:
            for n in range(first, last):
                channel.basic_publish("", "events", json.dumps({"id": n, "body": "x"}).encode())

        publish(0, 300)
        channel.basic_publish("", "events", b"{broken")
        wait_for(db, "SELECT count(*) = 300 FROM event")
        wait_for(db, "SELECT count(*) = 1 FROM stream_dead_letter")
        worker.kill()
        publish(300, 600)
        start(db.info.dsn)
        wait_for(db, "SELECT count(DISTINCT id) = 600 FROM event")
        # A stream is read from the offset; of a queue what was not answered may come twice.
        assert kind == "classic" or value(db, "SELECT count(*) FROM event") == 600
        wait_for(db, f'SELECT sum("offset") >= 601 AND ({kind == "classic"} OR sum("offset") = 601) FROM stream_stats')
        connection.close()
    wait_for(db, "SELECT bool_or(error LIKE 'RabbitMQ does not answer%') FROM stream_stats")


class Registry(http.server.BaseHTTPRequestHandler):
    """A schema registry with one schema."""

    told: ClassVar[dict[str, str]] = {"schema": json.dumps(SCHEMA)}

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.told).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_avro(db: psycopg.Connection, start: Start) -> None:
    if importlib.util.find_spec("fastavro") is None:
        pytest.skip("there is no Python module fastavro: pip install it to run this test")
    fastavro = importlib.import_module("fastavro")
    registry = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    payloads = []
    for n in range(100):
        written = io.BytesIO()
        fastavro.schemaless_writer(written, SCHEMA, {"id": n, "body": f"event {n}"})
        payloads.append(b"\0\0\0\0\1" + written.getvalue())
    with kafka.tansu() as broker, registry:
        kafka.create_topic(broker, "events", 1)
        kafka.produce(broker, "events", [(0, payload) for payload in [*payloads, b"{}"]])
        create(db, kind="kafka", servers=broker, topic="events", format="avro", registry="LOCAL")
        address = json.dumps({"url": f"http://127.0.0.1:{registry.server_address[1]}"})
        start(db.info.dsn, PG_LLM_REGISTRY_LOCAL=address)
        # It listens, and answers nobody: records wait.
        wait_for(db, "SELECT bool_or(error LIKE 'the schema registry does not answer%') FROM stream_stats")
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        wait_for(db, "SELECT count(*) = 100 AND bool_and(body = 'event ' || id) FROM event")
        assert value(db, "SELECT payload FROM stream_dead_letter") == b"{}"
        registry.shutdown()


PROTOBUF = """
    name: "event.proto" syntax: "proto3"
    message_type {
        name: "Event"
        field { name: "id" number: 1 type: TYPE_INT64 label: LABEL_OPTIONAL }
        field { name: "body" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
    }
"""


def test_protobuf(db: psycopg.Connection, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.protobuf", reason="there is no google.protobuf: pip install protobuf to run this test")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

    described = text_format.Parse(PROTOBUF, descriptor_pb2.FileDescriptorProto()).SerializeToString()
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(described)
    event = message_factory.GetMessageClass(pool.FindMessageTypeByName("Event"))
    payloads = [b"\0\0\0\0\1\0" + event(id=n, body=f"event {n}").SerializeToString() for n in range(100)]
    schema = {"schema": base64.b64encode(described).decode(), "schemaType": "PROTOBUF"}
    monkeypatch.setattr(Registry, "told", schema)
    with kafka.tansu() as broker, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as registry:
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        kafka.create_topic(broker, "events", 1)
        kafka.produce(broker, "events", [(0, payload) for payload in [*payloads, b"{}"]])
        create(db, kind="kafka", servers=broker, topic="events", format="protobuf", registry="LOCAL")
        address = json.dumps({"url": f"http://127.0.0.1:{registry.server_address[1]}"})
        start(db.info.dsn, PG_LLM_REGISTRY_LOCAL=address)
        wait_for(db, "SELECT count(*) = 100 AND bool_and(body = 'event ' || id) FROM event")
        assert value(db, "SELECT payload FROM stream_dead_letter") == b"{}"
        registry.shutdown()


def test_without_a_client_the_worker_says_what_to_install(db: psycopg.Connection, start: Start, tmp_path: Path) -> None:
    for module in ("redis", "nats", "paho", "pika"):
        (tmp_path / f"{module}.py").write_text("raise ImportError\n")
    path = f"{tmp_path}:{os.environ['PYTHONPATH']}"
    start(db.info.dsn, PYTHONPATH=path)
    for kind, package in (("redis", "redis"), ("nats", "nats-py"), ("mqtt", "paho-mqtt"), ("rabbitmq", "pika")):
        create(db, kind=kind, servers="127.0.0.1:9", topic="t")
        told = f"the worker has no package {package}: pip install {package}, where the worker is"
        wait_for(db, f"SELECT error = '{told}' FROM stream_stats")
        db.execute("CALL stream_drop('events'); DROP TABLE event")


def test_what_cannot_be_such_a_source(db: psycopg.Connection) -> None:
    for source in (
        {"kind": "redis", "servers": "x"},
        {"kind": "redis", "topic": "t"},
        {"kind": "redis", "servers": "x", "topic": "t", "format": "csv"},
        {"kind": "nats", "servers": "x", "security": "X", "topic": "t"},
        {"kind": "mqtt", "servers": "x", "topic": "t", "start": "earliest"},
        {"kind": "mqtt", "security": "a secret", "topic": "t"},
        {"kind": "rabbitmq", "servers": "x", "topic": "t", "start": "latest"},
        {"kind": "zeromq", "servers": "x", "topic": "t"},
    ):
        with pytest.raises(errors.InvalidParameterValue):
            create(db, **source)
