"""The adapter of a stream's source, by its kind. A client library is loaded only where a stream needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import errors

from pg_llm.streams.formats import text_of
from pg_llm.worker.streams import publication
from pg_llm.worker.streams.http import Http
from pg_llm.worker.streams.notify import Notify
from pg_llm.worker.streams.pump import Pump
from pg_llm.worker.streams.source import Source, SourceFailed

__all__ = ["Pump", "decoder", "opened"]

# By kind of a source, and by format.
_PACKAGES = {
    "redis": "redis",
    "nats": "nats-py",
    "mqtt": "paho-mqtt",
    "rabbitmq": "pika",
    "avro": "fastavro",
    "protobuf": "protobuf",
}
_NO_KAFKA = "the worker has no package confluent-kafka"
_MATCHING = (
    "SELECT t.name FROM pg_catalog.unnest(%s::pg_catalog.text[]) AS t (name) WHERE t.name OPERATOR(pg_catalog.~) %s"
)


def opened(definition: dict[str, Any], dsn: str, connection: psycopg.Connection[Any]) -> Source:
    """Raises SourceFailed."""
    source: dict[str, Any] = definition["source"]
    if definition["publish"] is not None:
        return _publisher(definition)
    match source["kind"]:
        case "kafka":
            try:
                from pg_llm.worker.streams.kafka import Kafka
            except ImportError:
                raise SourceFailed(_NO_KAFKA) from None
            return Kafka(source, lambda pattern, names: _matching(connection, pattern, names))
        case "table":
            return Pump(definition)
        case "notify":
            return Notify(source, dsn)
        case "http":
            return Http(source)
        case "publication":
            slot = f"{publication.prefix(connection)}{definition['id']}"
            return publication.Publication(source, definition["columns"], slot)
        case "redis" | "nats" | "mqtt" | "rabbitmq":
            return _by_client(definition)
    raise SourceFailed(f"this worker reads no source of the kind {source['kind']}")


def decoder(source: dict[str, Any]) -> Callable[[bytes | None], str]:
    """What makes a text of a record. Raises SourceFailed."""
    if source["kind"] == "publication":
        return publication.text
    try:
        match source.get("format"):
            case "avro":
                from pg_llm.worker.streams.avro import Avro

                return Avro(source["registry"]).text
            case "protobuf":
                from pg_llm.worker.streams.protobuf import Protobuf

                return Protobuf(source["registry"]).text
    except ImportError:
        raise SourceFailed(_missing(_PACKAGES[source["format"]])) from None
    return text_of


def _missing(package: str) -> str:
    return f"the worker has no package {package}: pip install {package}, where the worker is"


def _by_client(definition: dict[str, Any]) -> Source:
    """A source whose client is no part of what the worker needs. Raises SourceFailed where it is not there."""
    source = definition["source"]
    try:
        match source["kind"]:
            case "redis":
                from pg_llm.worker.streams.redis import Redis

                return Redis(source)
            case "nats":
                from pg_llm.worker.streams.nats import Nats

                return Nats(source)
            case "rabbitmq":
                from pg_llm.worker.streams.rabbitmq import RabbitMQ

                return RabbitMQ(source)
        from pg_llm.worker.streams.mqtt import Mqtt

        return Mqtt(source, definition["id"], definition["name"])
    except ImportError:
        raise SourceFailed(_missing(_PACKAGES[source["kind"]])) from None


def _publisher(definition: dict[str, Any]) -> Source:
    try:
        from pg_llm.worker.streams.publisher import Publisher
    except ImportError:
        raise SourceFailed(_NO_KAFKA) from None
    return Publisher(definition)


def _matching(connection: psycopg.Connection[Any], pattern: str, names: Sequence[str]) -> list[str]:
    """The names that a pattern matches as a whole. By the server: one without end would hold all threads of Python."""
    try:
        rows = connection.execute(_MATCHING, (list(names), f"^(?:{pattern})$")).fetchall()
    except errors.InvalidRegularExpression as error:
        raise SourceFailed(f"the pattern cannot be read: {error.diag.message_primary}") from None
    return [name for (name,) in rows]
