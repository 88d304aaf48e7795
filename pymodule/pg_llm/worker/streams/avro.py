"""Records in Avro with the number of their schema in a registry before them (Confluent's wire format), by fastavro."""

from __future__ import annotations

import base64
import datetime
import decimal
import functools
import io
import json
import struct
import urllib.error
import urllib.request
import uuid
from http import HTTPStatus
from typing import Any

import fastavro  # type: ignore[import-not-found]

from pg_llm.streams.formats import Undecodable
from pg_llm.worker.streams.source import NoRedirect, SourceFailed, settings

_HEAD = struct.Struct(">bI")
_PATIENCE = 5.0
_LARGEST_SCHEMA = 1_000_000


class Avro:
    """Reads records; schemas are asked for once each. `registry` names settings with `url`, and who asks."""

    def __init__(self, registry: str) -> None:
        given = settings("REGISTRY", registry)
        url = given.get("url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise SourceFailed("the address of the schema registry is none of http or https")
        self._url, self._headers = url.rstrip("/"), {}
        if "username" in given:
            told = f"{given['username']}:{given.get('password', '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(told.encode()).decode()}"
        self._schema = functools.lru_cache(maxsize=1000)(self._ask)

    def text(self, payload: bytes | None) -> str:
        """A record as a JSON object. Raises Undecodable, and SourceFailed where the registry is not to be had."""
        if payload is None:
            raise Undecodable("the record has no value")
        if len(payload) < _HEAD.size or payload[0] != 0:
            raise Undecodable("the record does not begin with the number of a schema")
        schema = self._schema(_HEAD.unpack_from(payload)[1])
        try:
            row = fastavro.schemaless_reader(io.BytesIO(payload[_HEAD.size :]), schema, None)
            return json.dumps(row, ensure_ascii=False, default=_plain)
        except (ArithmeticError, EOFError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
            raise Undecodable(f"the record cannot be read by its schema: {type(error).__name__}") from None

    def _ask(self, number: int) -> Any:
        request = urllib.request.Request(f"{self._url}/schemas/ids/{number}", headers=self._headers)  # noqa: S310 - checked above
        try:
            with urllib.request.build_opener(NoRedirect).open(request, timeout=_PATIENCE) as answer:
                told = json.loads(answer.read(_LARGEST_SCHEMA))
            if told.get("schemaType", "AVRO") != "AVRO":
                raise Undecodable(f"the schema {number} is none of Avro")
            return fastavro.parse_schema(json.loads(told["schema"]))
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                raise Undecodable(f"the registry has no schema {number}") from None
            raise SourceFailed(f"the schema registry answers {error.code}") from None
        except OSError as error:
            raise SourceFailed(f"the schema registry does not answer: {type(error).__name__}") from None
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
