"""What llama.cpp is started with, chosen by the size of a model and by the threads that there are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pg_llm.models import gguf
from pg_llm.models.spec import ModelSpec

# Texts that are worked on at a time, of all sessions: with few and with more threads. Each keeps a context.
_SLOTS, _MORE_SLOTS, _FEW_THREADS = 2, 4, 4
# Tokens of a prompt and its answer together, unless the option says more.
_CONTEXT = 4096
# Prompt tokens that are computed together. Fewer would take less memory (64: 14 MB), but where a prompt is cut then
# depends on what its slot has read before, and a text came out otherwise by that.
_BATCH = 512
# Bytes of weights for which one more thread is taken: threads of a small model would wait for each other mostly, and
# beside other work two of them were no faster than one.
_BYTES_PER_THREAD = 64 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """llama.cpp works on as many texts as it has slots, each of `context` tokens at most; `bytes` is what it takes."""

    file: str
    bytes: int
    context: int
    slots: int
    batch: int
    threads: int
    embedding: bool = False


def choose(spec: ModelSpec, folder: Path, threads: int) -> Settings:
    """The settings for a model's files; `threads` is 0 for one per core. Raises InvalidModel."""
    files = gguf.files(folder)
    header = gguf.read_header(files[0])
    size = sum(file.stat().st_size for file in files)
    threads = threads or os.cpu_count() or 1
    context = min(header.context, spec.options.get("context", _CONTEXT))
    slots = spec.options.get("concurrency", _SLOTS if threads <= _FEW_THREADS else _MORE_SLOTS)
    return Settings(
        file=str(files[0].resolve()),
        bytes=size + slots * context * header.bytes_per_token,
        context=context,
        slots=slots,
        batch=min(_BATCH, context),
        threads=max(1, min(threads, size // _BYTES_PER_THREAD)),
    )
