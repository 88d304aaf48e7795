"""The adapter of a stream's source, by its kind. A client library is loaded only where a stream needs it."""

from __future__ import annotations

from typing import Any

from pg_llm.worker.streams.http import Http
from pg_llm.worker.streams.notify import Notify
from pg_llm.worker.streams.pump import Pump
from pg_llm.worker.streams.source import Source, SourceFailed

__all__ = ["Pump", "opened"]


def opened(definition: dict[str, Any], dsn: str) -> Source:
    """Raises SourceFailed."""
    source: dict[str, Any] = definition["source"]
    match source["kind"]:
        case "kafka":
            try:
                from pg_llm.worker.streams.kafka import Kafka
            except ImportError:
                raise SourceFailed("the worker has no package confluent-kafka") from None
            return Kafka(source)
        case "table":
            return Pump(definition)
        case "notify":
            return Notify(source, dsn)
        case "http":
            return Http(source)
    raise SourceFailed(f"this worker reads no source of the kind {source['kind']}")
