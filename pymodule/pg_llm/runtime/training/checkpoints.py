"""Checkpoints of a long training, from which it goes on if its host or the server ended."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

FOLDER = "checkpoints"
# What a whole checkpoint has beside the weights; the trainer writes the last of them at the end.
_FILES = ("optimizer.pt", "scheduler.pt", "trainer_state.json")
_SAME = ("job.json", "rows.jsonl")


def last(scratch: Path) -> Path | None:
    """The last whole checkpoint below a folder, if there is one."""
    found = [folder for folder in scratch.glob("checkpoint-*") if all((folder / name).is_file() for name in _FILES)]
    return max(found, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def is_resumable(folder: Path) -> bool:
    """Whether the training in the folder got as far as a checkpoint."""
    return last(folder / FOLDER) is not None


def may_resume(abandoned: Path, folder: Path) -> bool:
    """Whether an abandoned training has a checkpoint, and is the one of the new folder."""
    return is_resumable(abandoned) and all(
        (abandoned / name).is_file() and filecmp.cmp(abandoned / name, folder / name, shallow=False) for name in _SAME
    )


def discard_result(folder: Path) -> None:
    """Remove what an abandoned training had begun to write."""
    shutil.rmtree(folder / "model", ignore_errors=True)
