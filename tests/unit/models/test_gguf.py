"""Headers of GGUF files are read as far as they are needed, and what is none is refused."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest
from pg_llm.errors import InvalidModel
from pg_llm.models import gguf

LLAMA = {
    "general.architecture": "llama",
    "llama.context_length": 8192,
    "llama.embedding_length": 576,
    "llama.block_count": 30,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
}


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def typed(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 4, len(value)) + struct.pack(f"<{len(value)}I", *value)
    return struct.pack("<II", 4, value)


def header(metadata: dict[str, Any], magic: bytes = b"GGUF", more: int = 0) -> bytes:
    items = b"".join(text(key) + typed(value) for key, value in metadata.items())
    return struct.pack("<4sIQQ", magic, 3, 0, len(metadata) + more) + items


def read(tmp_path: Path, content: bytes) -> gguf.Header:
    (tmp_path / "model.gguf").write_bytes(content)
    return gguf.read_header(tmp_path / "model.gguf")


def test_a_header_tells_the_context_and_what_a_token_takes(tmp_path: Path) -> None:
    # Keys and values of 3 heads with 64 numbers in 30 layers, 34 bytes for 32 of them.
    expected = gguf.Header("llama", 8192, 3 * 2 * 64 * 30)
    assert read(tmp_path, header(LLAMA)) == expected
    assert expected.bytes_per_token == 12_240
    # The vocabulary after it is not read.
    assert read(tmp_path, header(LLAMA, more=1) + text("tokenizer.ggml.model")) == expected


def test_layers_may_differ_and_heads_have_a_size_of_their_own(tmp_path: Path) -> None:
    layers = {"llama.attention.head_count_kv": [1, 2], "llama.attention.key_length": 8}
    found = read(tmp_path, header({**LLAMA, **layers}))
    # Keys of 8 numbers are no block: two bytes for each number.
    assert not found.has_blocks
    assert found.bytes_per_token == 3 * (8 + 64) * 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        header(LLAMA, magic=b"GGML"),
        header(LLAMA)[:-3],
        header({}),
        header({"general.architecture": "llama"}, more=1) + struct.pack("<Q", 1 << 60),
        header({"general.architecture": "llama"}, more=1) + text("a key") + struct.pack("<I", 99),
        # Lists in lists, a list that is longer than memory, numbers that are none, and a context of nothing.
        header({"general.architecture": "llama"}, more=1) + text("a key") + struct.pack("<IIQ", 9, 9, 1) * 9999,
        header({"general.architecture": "llama"}, more=1) + text("a key") + struct.pack("<IIQ", 9, 0, 1 << 40),
        header(LLAMA, more=1) + text("llama.context_length") + struct.pack("<If", 6, math.inf),
        header({**LLAMA, "llama.context_length": 0}),
        header(LLAMA, more=1) + text("llama.attention.key_length") + struct.pack("<Ii", 5, -1_000_000),
    ],
)
def test_what_is_no_header_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidModel, match="no GGUF file"):
        read(tmp_path, content)


def test_the_first_part_of_a_model_has_its_header(tmp_path: Path) -> None:
    for name in ("m-00002-of-00002.gguf", "m-00001-of-00002.gguf", "mmproj-m.gguf", "README.md"):
        (tmp_path / name).touch()
    assert [file.name for file in gguf.files(tmp_path)] == ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]
