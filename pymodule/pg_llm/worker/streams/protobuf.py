"""Records in Protocol Buffers with the number of their schema in a registry before them, by google.protobuf."""

from __future__ import annotations

import base64
import functools
import importlib
import json
import urllib.parse
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory  # type: ignore[import-untyped,import-not-found,unused-ignore]
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped,import-not-found,unused-ignore]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped,import-not-found,unused-ignore]

from pg_llm.streams.formats import Undecodable
from pg_llm.worker.streams.registry import Registry, parted

_GOOGLES = "google/protobuf/"
_MOST_FILES = 100


class Protobuf:
    """Reads records; schemas are asked for once each. `registry` names settings of one."""

    def __init__(self, registry: str) -> None:
        self._registry = Registry(registry)
        self._file = functools.lru_cache(maxsize=1000)(self._ask)

    def text(self, payload: bytes | None) -> str:
        """A record as a JSON object. Raises Undecodable, and SourceFailed where the registry is not to be had."""
        number, rest = parted(payload)
        kinds = self._file(number)
        try:
            path, rest = _path(rest)
            kind = kinds.message_types_by_name[list(kinds.message_types_by_name)[path[0]]]
            for place in path[1:]:
                kind = kind.nested_types[place]
            message = message_factory.GetMessageClass(kind)()
            message.ParseFromString(rest)
            return json.dumps(_plain(message), ensure_ascii=False)
        except (DecodeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise Undecodable(f"the record cannot be read by its schema: {type(error).__name__}") from None

    def _ask(self, number: int) -> Any:
        pool, name = descriptor_pool.DescriptorPool(), f"schema_{number}.proto"
        try:
            self._add(pool, name, f"schemas/ids/{number}", {})
            return pool.FindFileByName(name)
        except (LookupError, TypeError, ValueError, DecodeError) as error:
            raise Undecodable(f"the schema {number} cannot be read: {type(error).__name__}") from None

    def _add(self, pool: Any, name: str, path: str, known: dict[str, bool]) -> None:
        """Add a file under its name to a pool, after those that it imports."""
        known[name] = True
        if len(known) > _MOST_FILES:
            raise ValueError("too many files")
        told = self._registry.get(f"{path}?format=serialized", "PROTOBUF")
        file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(told["schema"], validate=True))
        file.name = name
        for other in told.get("references") or ():
            if other["name"] not in known:
                self._add(pool, other["name"], _version(other), known)
        for other in file.dependency:
            if other.startswith(_GOOGLES) and other not in known:
                known[other] = True
                module = other.removeprefix(_GOOGLES).removesuffix(".proto")
                if not module.isidentifier():
                    raise ValueError(other)
                found = importlib.import_module(f"google.protobuf.{module}_pb2")
                pool.AddSerializedFile(found.DESCRIPTOR.serialized_pb)
        pool.AddSerializedFile(file.SerializeToString())


def _version(reference: Any) -> str:
    subject = urllib.parse.quote(str(reference["subject"]), safe="")
    return f"subjects/{subject}/versions/{int(reference['version'])}"


def _path(payload: bytes) -> tuple[list[int], bytes]:
    """Where in its file a message is described, and the message; varints in zigzag, 0 alone for the first one."""
    numbers: list[int] = []
    value, shift, count = 0, 0, None
    for place, byte in enumerate(payload):
        value |= (byte & 127) << shift
        shift += 7
        if byte & 128:
            continue
        number, value, shift = (value >> 1) ^ -(value & 1), 0, 0
        if count is None:
            count = number or 1
            if number == 0:
                return [0], payload[place + 1 :]
        else:
            numbers.append(number)
        if min(numbers, default=0) < 0 or count < 0:
            raise ValueError("a negative place")
        if len(numbers) == count:
            return numbers, payload[place + 1 :]
    raise ValueError("no place")


def _plain(message: Any) -> Any:
    """A message as JSON has it, with bytes and numbers as PostgreSQL reads them; what is not there is NULL."""
    if message.DESCRIPTOR.full_name.startswith("google.protobuf."):
        return json_format.MessageToDict(message)
    row: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
            row[field.name] = {str(key): _value(inner, value[key]) for key in value}
        elif field.is_repeated:
            row[field.name] = [_value(field, each) for each in value]
        else:
            row[field.name] = _value(field, value) if not field.has_presence or message.HasField(field.name) else None
    return row


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return _plain(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rf"\x{value.hex()}"
    # JSON has no numbers for these.
    return (
        str(value) if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))) else value
    )
