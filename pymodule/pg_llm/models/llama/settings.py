"""What llama.cpp is started with, chosen by the size of a model and by the threads that there are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pg_llm.errors import InvalidModel
from pg_llm.models import gguf
from pg_llm.models.spec import ModelSpec

# Texts that a process works on at a time. Each may fill a context; on one thread four together are written 1.2 times as
# fast as two.
_SLOTS = 4
# Tokens of a prompt and its answer together, unless the option says more.
_CONTEXT = 4096
# Tokens of a text that an encoder reads together, unless the option says more.
_ENCODED = 512
# Prompt tokens that are computed together. More would take more memory (512: 14 MB).
_BATCH = 64
# Types of keys and of values. Where both are 16-bit floating point, llama.cpp computes attention in ways that depend on
# how many tokens are read together, and on what stands beside them, so that a text would come out otherwise after texts
# that begin as it does. 8 bits take half the memory, too.
_QUANTIZED, _UNQUANTIZED = ("Q8_0", "Q8_0"), ("F16", "BF16")
# Bytes of weights for which one more thread is taken: threads of a small model would wait for each other mostly, and
# beside other work two of them were no faster than one.
_BYTES_PER_THREAD = 64 << 20
# Processes of a small model, each of which takes threads of its own and maps the same weights.
_MOST_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """A process works on as many texts as it has slots, each of `context` tokens at most; `bytes` is what all take."""

    file: str
    bytes: int
    context: int
    slots: int
    batch: int
    threads: int
    processes: int = 1
    cache_types: tuple[str, str] = _QUANTIZED
    embedding: bool = False


def choose(spec: ModelSpec, folder: Path, threads: int) -> Settings:
    """The settings for a model's files; `threads` is 0 for one per core. Raises InvalidModel."""
    files = gguf.files(folder)
    header = gguf.read_header(files[0])
    embedding = spec.task == "embedding"
    if header.is_encoder and not embedding:
        raise InvalidModel(f"an encoder in GGUF cannot do {spec.task}", hint="Register it with the task embedding.")
    size = sum(file.stat().st_size for file in files)
    threads = threads or os.cpu_count() or 1
    context = min(header.context, spec.options.get("context", _ENCODED if embedding else _CONTEXT))
    of_process = max(1, min(threads, size // _BYTES_PER_THREAD))
    processes = min(threads // of_process, _MOST_PROCESSES)
    slots = _SLOTS
    if wanted := spec.options.get("concurrency"):
        processes = min(processes, wanted)
        slots = -(-wanted // processes)
    if embedding:
        # Texts that are read together have other vectors than alone, in the last digits.
        slots = 1
    return Settings(
        file=str(files[0].resolve()),
        bytes=size + processes * slots * context * header.bytes_per_token,
        context=context,
        slots=slots,
        # Attention in both directions needs all of a text at once.
        batch=context if embedding else min(_BATCH, context),
        threads=of_process,
        processes=processes,
        cache_types=_QUANTIZED if header.has_blocks else _UNQUANTIZED,
        embedding=embedding,
    )
