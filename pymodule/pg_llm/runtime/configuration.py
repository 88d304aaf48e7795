"""The host's configuration, read from the server's configuration files by `postgres -C`.

A session may SET any `llm.*` name for itself, which must not decide how much memory the shared host takes.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from pg_llm import settings
from pg_llm.runtime import postmaster

# Memory beside the models' weights: libraries, the result cache, texts that are being processed.
_WORKING_ROOM = 2 << 30


@dataclass(frozen=True, slots=True)
class Configuration:
    """Limits in bytes, the timeout in seconds, threads as a count (0: one per core); places of logs and of the key."""

    memory_limit: int
    host_memory_limit: int
    process_memory_limit: int
    host_timeout: float
    memo_limit: int
    threads: int
    tensorboard_directory: str | None
    model_file_key: str | None


def read() -> Configuration:
    """The settings of the server whose data directory is the working directory. Raises InvalidInput."""
    command = postmaster.running().command
    memory_limit = settings.size("llm.memory_limit", _configured(command, "llm.memory_limit"))
    whole = _configured(command, "llm.host_memory_limit")
    return Configuration(
        memory_limit=memory_limit,
        host_memory_limit=settings.size("llm.host_memory_limit", whole) if whole else memory_limit + _WORKING_ROOM,
        process_memory_limit=settings.size(
            "llm.process_memory_limit", _configured(command, "llm.process_memory_limit")
        ),
        host_timeout=settings.seconds("llm.host_timeout", _configured(command, "llm.host_timeout")),
        memo_limit=settings.size("llm.memo_limit", _configured(command, "llm.memo_limit")),
        threads=settings.count("llm.threads", _configured(command, "llm.threads")),
        tensorboard_directory=settings.folder(
            "llm.tensorboard_directory", _configured(command, "llm.tensorboard_directory")
        ),
        model_file_key=settings.key_place("llm.model_file_key", _configured(command, "llm.model_file_key")),
    )


def configured(name: str) -> str | None:
    """The value in the configuration files of the server whose data directory is the working directory."""
    return _configured(postmaster.running().command, name)


def _configured(command: tuple[str, ...], name: str) -> str | None:
    """The value in the configuration files, or None if they do not set it."""
    completed = subprocess.run(
        [*command, "-C", name], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return completed.stdout.strip() if completed.returncode == 0 else None
