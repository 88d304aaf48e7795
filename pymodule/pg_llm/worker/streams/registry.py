"""A schema registry, and records that name their schema there (Confluent's wire format)."""

from __future__ import annotations

import base64
import json
import struct
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

from pg_llm.streams.formats import Undecodable
from pg_llm.worker.streams.source import NoRedirect, SourceFailed, settings

_HEAD = struct.Struct(">bI")
_PATIENCE = 5.0
_LARGEST_SCHEMA = 1_000_000


class Registry:
    """`name` is that of settings with `url`, and who asks."""

    def __init__(self, name: str) -> None:
        given = settings("REGISTRY", name)
        url = given.get("url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise SourceFailed("the address of the schema registry is none of http or https")
        self._url, self._headers = url.rstrip("/"), {}
        if "username" in given:
            told = f"{given['username']}:{given.get('password', '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(told.encode()).decode()}"

    def get(self, path: str, type_: str) -> dict[str, Any]:
        """What it says of a schema of that type. Raises Undecodable, SourceFailed where it is not to be had."""
        request = urllib.request.Request(f"{self._url}/{path}", headers=self._headers)  # noqa: S310 - checked above
        try:
            with urllib.request.build_opener(NoRedirect).open(request, timeout=_PATIENCE) as answer:
                told = json.loads(answer.read(_LARGEST_SCHEMA))
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                raise Undecodable(f"the registry has no {path}") from None
            raise SourceFailed(f"the schema registry answers {error.code}") from None
        except OSError as error:
            raise SourceFailed(f"the schema registry does not answer: {type(error).__name__}") from None
        except (ValueError, RecursionError) as error:
            raise Undecodable(f"{path} of the registry cannot be read: {type(error).__name__}") from None
        if not isinstance(told, dict) or told.get("schemaType", "AVRO") != type_:
            raise Undecodable(f"{path} of the registry is no schema in {type_.capitalize()}")
        return told


def parted(payload: bytes | None) -> tuple[int, bytes]:
    """The number of a record's schema, and what is behind it. Raises Undecodable."""
    if payload is None:
        raise Undecodable("the record has no value")
    if len(payload) < _HEAD.size or payload[0] != 0:
        raise Undecodable("the record does not begin with the number of a schema")
    return _HEAD.unpack_from(payload)[1], payload[_HEAD.size :]
