"""Records in Avro with the number of their schema in a registry before them (Confluent's wire format), by fastavro."""

from __future__ import annotations

import datetime
import decimal
import functools
import io
import json
import uuid
from typing import Any

import fastavro  # type: ignore[import-not-found]

from pg_llm.streams.formats import Undecodable
from pg_llm.worker.streams.registry import Registry, parted


class Avro:
    """Reads records; schemas are asked for once each. `registry` names settings of one."""

    def __init__(self, registry: str) -> None:
        self._registry = Registry(registry)
        self._schema = functools.lru_cache(maxsize=1000)(self._ask)

    def text(self, payload: bytes | None) -> str:
        """A record as a JSON object. Raises Undecodable, and SourceFailed where the registry is not to be had."""
        number, rest = parted(payload)
        schema = self._schema(number)
        try:
            row = fastavro.schemaless_reader(io.BytesIO(rest), schema, None)
            return json.dumps(row, ensure_ascii=False, default=_plain)
        except (ArithmeticError, EOFError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
            raise Undecodable(f"the record cannot be read by its schema: {type(error).__name__}") from None

    def _ask(self, number: int) -> Any:
        told = self._registry.get(f"schemas/ids/{number}", "AVRO")
        try:
            return fastavro.parse_schema(json.loads(told["schema"]))
        except (ValueError, LookupError, RecursionError, TypeError, fastavro.schema.SchemaParseException) as error:
            raise Undecodable(f"the schema {number} cannot be read: {type(error).__name__}") from None


def _plain(value: Any) -> Any:
    """What JSON has not, as PostgreSQL reads it."""
    if isinstance(value, bytes):
        return rf"\x{value.hex()}"
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    raise TypeError(type(value).__name__)
