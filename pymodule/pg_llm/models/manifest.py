"""Manifest of an exported model: the SHA-256 of each file, so that damage is noticed before anything is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

NAME = "manifest.json"


def write(folder: Path) -> None:
    """Record the files that the folder holds now."""
    (folder / NAME).write_text(json.dumps(_digests(folder), indent=1), encoding="utf-8")


def is_whole(folder: Path) -> bool:
    """Whether the folder holds the recorded files unchanged, and no others."""
    try:
        return bool(json.loads((folder / NAME).read_text(encoding="utf-8")) == _digests(folder))
    except (OSError, ValueError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file != folder / NAME:
            with file.open("rb") as stream:
                digests[file.relative_to(folder).as_posix()] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests
