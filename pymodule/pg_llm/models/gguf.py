"""The header of GGUF files (ggml, docs/gguf.md): what is known of a model before it is loaded."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pg_llm.errors import InvalidModel

_MAGIC = b"GGUF"
# Types of metadata values that are numbers, in struct's notation; then those of a text and of an array.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_MAX_TEXT = 1 << 20
# Bytes of a key's or a value's number in the cache, which is 16-bit floating point.
_CACHED = 2


@dataclass(frozen=True, slots=True)
class Header:
    """Architecture of a model, tokens of its longest text, and bytes that keys and values of one token take."""

    architecture: str
    context: int
    bytes_per_token: int

    @property
    def is_encoder(self) -> bool:
        """Whether the model gives vectors, and writes nothing."""
        return "bert" in self.architecture or self.architecture == "t5encoder"


def files(folder: Path) -> list[Path]:
    """The files of the model's weights in a folder, the one with its header first; projectors of images are none."""
    return sorted(file for file in folder.glob("*.gguf") if not file.name.startswith("mmproj"))


def read_header(file: Path) -> Header:
    """The header of a file. Raises InvalidModel for one that is not GGUF."""
    try:
        with file.open("rb") as stream:
            return _header(_architecture(stream))
    except (struct.error, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise InvalidModel(f'"{file}" is no GGUF file that can be read: {error}') from error


def _header(metadata: dict[str, Any]) -> Header:
    architecture = str(metadata["general.architecture"])

    def number(name: str, default: int) -> int:
        return int(metadata.get(f"{architecture}.{name}", default))

    layers, heads = number("block_count", 0), metadata.get(f"{architecture}.attention.head_count", 1)
    key_heads = metadata.get(f"{architecture}.attention.head_count_kv", heads)
    # One number for each layer, or one for all.
    total = sum(key_heads) if isinstance(key_heads, Sequence) else int(key_heads) * layers
    most = max(heads) if isinstance(heads, Sequence) else int(heads)
    size = number("embedding_length", 0) // max(most, 1)
    of_head = number("attention.key_length", size) + number("attention.value_length", size)
    return Header(architecture, number("context_length", 2048), total * of_head * _CACHED)


def _architecture(stream: BinaryIO) -> dict[str, Any]:
    """The metadata before the vocabulary, which comes last and is long."""
    magic, version, _, count = struct.unpack("<4sIQQ", stream.read(24))
    if magic != _MAGIC or version < 2:
        raise ValueError(f"it begins with {magic!r}, version {version}")
    metadata: dict[str, Any] = {}
    for _ in range(count):
        key = _text(stream)
        if key.startswith("tokenizer.") and f"{metadata.get('general.architecture')}.context_length" in metadata:
            break
        metadata[key] = _value(stream, *_unpack(stream, "I"))
    return metadata


def _value(stream: BinaryIO, kind: int) -> Any:
    if kind == _TEXT:
        return _text(stream)
    if kind == _ARRAY:
        of, count = _unpack(stream, "IQ")
        return [_value(stream, of) for _ in range(count)]
    return _unpack(stream, _NUMBERS[kind])[0]


def _text(stream: BinaryIO) -> str:
    (size,) = _unpack(stream, "Q")
    if size > _MAX_TEXT:
        raise ValueError(f"a text of {size} bytes")
    return stream.read(size).decode("utf-8", "replace")


def _unpack(stream: BinaryIO, of: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{of}", stream.read(struct.calcsize(f"<{of}")))
