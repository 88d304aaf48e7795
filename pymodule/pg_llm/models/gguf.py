"""The header of GGUF files (ggml, docs/gguf.md): what is known of a model before it is loaded."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pg_llm.errors import InvalidModel

_MAGIC = b"GGUF"
# Types of metadata values that are numbers, in struct's notation; then those of a text and of an array.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
# Bytes of a text, and items of a list; vocabularies have some hundred thousand.
_MAX_TEXT, _MAX_ITEMS = 1 << 20, 1 << 22
# Tokens, and their kinds.
_VOCABULARY = ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type")
# Kinds of tokens that are no text: control tokens, and what a model's author added, which may be white space too.
_CONTROL, _ADDED = 3, 4
_BRACKETED = re.compile(r"[<\[].*[>\]]", re.DOTALL)
# Numbers of a key or a value in one block of 8-bit quantization, and bytes of such a block; and of a 16-bit number.
_BLOCK, _BLOCK_BYTES, _NUMBER_BYTES = 32, 34, 2


@dataclass(frozen=True, slots=True)
class Header:
    """Architecture of a model, tokens of its longest text, and numbers in the keys and values of one token.

    `has_blocks` is whether each key and value consists of whole blocks, so that 8-bit quantization can hold them.
    """

    architecture: str
    context: int
    numbers_per_token: int
    has_blocks: bool = True

    @property
    def bytes_per_token(self) -> int:
        """Bytes that keys and values of one token take."""
        numbers = self.numbers_per_token
        return numbers // _BLOCK * _BLOCK_BYTES if self.has_blocks else numbers * _NUMBER_BYTES

    @property
    def is_encoder(self) -> bool:
        """Whether the model gives vectors, and writes nothing."""
        return "bert" in self.architecture or self.architecture == "t5encoder"


def files(folder: Path) -> list[Path]:
    """The files of the model's weights in a folder, the one with its header first; projectors of images are none."""
    return sorted(file for file in folder.glob("*.gguf") if not file.name.startswith("mmproj"))


def read_header(file: Path) -> Header:
    """The header of a file. Raises InvalidModel for one that is not GGUF."""
    with _reading(file) as stream:
        return _header(_architecture(stream))


def special_tokens(file: Path) -> list[str]:
    """The tokens of a file that are no text, such as those between the turns of a conversation."""
    with _reading(file) as stream:
        found: dict[str, list[Any]] = {}
        metadata = _metadata(stream, lambda _: len(found) == len(_VOCABULARY))
        found.update((key, value) for key, value in metadata if key in _VOCABULARY)
        kinds = zip(*(found.get(key, []) for key in _VOCABULARY), strict=False)
        return [token for token, kind in kinds if kind == _CONTROL or (kind == _ADDED and _BRACKETED.fullmatch(token))]


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[BinaryIO]:
    try:
        with file.open("rb") as stream:
            yield stream
    except (struct.error, KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
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
    of_head = number("attention.key_length", size), number("attention.value_length", size)
    has_blocks = all(length % _BLOCK == 0 for length in of_head)
    header = Header(architecture, number("context_length", 2048), total * sum(of_head), has_blocks)
    # llama.cpp takes a context of 0 for as much as there is, and what is less than nothing would free memory of others.
    if header.context < 1 or header.bytes_per_token < 0:
        raise ValueError(f"a context of {header.context} tokens, {header.bytes_per_token} bytes for each")
    return header


def _architecture(stream: BinaryIO) -> dict[str, Any]:
    """The metadata before the vocabulary, which comes last and is long."""
    metadata: dict[str, Any] = {}

    def is_known(key: str) -> bool:
        return key.startswith("tokenizer.") and f"{metadata.get('general.architecture')}.context_length" in metadata

    metadata.update(_metadata(stream, is_known))
    return metadata


def _metadata(stream: BinaryIO, is_enough: Callable[[str], bool]) -> Iterator[tuple[str, Any]]:
    """Keys and values, up to a key that tells that those before it are enough."""
    magic, version, _, count = struct.unpack("<4sIQQ", stream.read(24))
    if magic != _MAGIC or version < 2:
        raise ValueError(f"it begins with {magic!r}, version {version}")
    for _ in range(count):
        if is_enough(key := _text(stream)):
            return
        yield key, _value(stream, *_unpack(stream, "I"))


def _value(stream: BinaryIO, kind: int) -> Any:
    if kind == _TEXT:
        return _text(stream)
    if kind == _ARRAY:
        of, count = _unpack(stream, "IQ")
        if count > _MAX_ITEMS:
            raise ValueError(f"a list of {count} items")
        return [_value(stream, of) for _ in range(count)]
    return _unpack(stream, _NUMBERS[kind])[0]


def _text(stream: BinaryIO) -> str:
    (size,) = _unpack(stream, "Q")
    if size > _MAX_TEXT:
        raise ValueError(f"a text of {size} bytes")
    return stream.read(size).decode("utf-8", "replace")


def _unpack(stream: BinaryIO, of: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{of}", stream.read(struct.calcsize(f"<{of}")))
