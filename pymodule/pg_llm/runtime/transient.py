"""Where what can be made again lies: on the disk, or in memory where files of trained models are encrypted at rest.

In memory `pg_llm/pgsql_tmp` is a link to a folder of the server's own in /dev/shm, where PostgreSQL itself keeps shared
memory: decrypted models, their exports, and the rows and checkpoints of trainings.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from pg_llm import file_locks, protocol
from pg_llm.errors import ConcurrentChange, Error

FOLDER = Path(protocol.TRANSIENT)
TRAININGS = FOLDER / "training"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it is checked to be the server's own
_LOCK = FOLDER.with_name("transient.lock")


def place(*, in_memory: bool) -> None:
    """Have the folder in memory or on the disk; what lies in the other place is deleted.

    Raises ConcurrentChange while a training works there, Error where memory has no such folder.
    """
    if FOLDER.is_symlink() == in_memory and (not in_memory or _is_in_place()):
        return
    FOLDER.parent.mkdir(mode=0o700, exist_ok=True)
    with file_locks.exclusive(_LOCK):
        if any(_is_locked(training) for training in _trainings()):
            raise ConcurrentChange(
                "a training that began before llm.model_file_key was changed is under way",
                hint="Call again when it has ended; llm_progress shows it.",
            )
        _remove()
        if in_memory:
            FOLDER.symlink_to(_own_memory())
        else:
            FOLDER.mkdir(mode=0o700)


def in_memory() -> Path | None:
    """The folder in memory that this server uses, if it does: after its end nothing is to be left there."""
    return _memory() if FOLDER.is_symlink() and _is_in_place() else None


def _is_in_place() -> bool:
    return Path(os.readlink(FOLDER)) == _memory() and FOLDER.is_dir()


def _remove() -> None:
    if FOLDER.is_symlink():
        # Of a copied data directory it leads to the other server's.
        if Path(os.readlink(FOLDER)) == _memory():
            shutil.rmtree(_memory(), ignore_errors=True)
        FOLDER.unlink()
    else:
        shutil.rmtree(FOLDER, ignore_errors=True)


def _memory() -> Path:
    here = os.stat(".")
    name = f"{os.getcwd()}:{here.st_dev}:{here.st_ino}"
    return _MEMORY / f"pg_llm-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _own_memory() -> Path:
    """The folder in memory, made for this user alone."""
    folder = _memory()
    if not _is_memory(_MEMORY):
        raise Error(
            f"{_MEMORY} is no file system in memory, and decrypted models are kept nowhere else",
            hint="Mount a tmpfs there, or leave llm.model_file_key empty and encrypt the disk.",
        )
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise Error(f"{folder} is not a folder of the server's own", hint="Remove it: somebody else has made it.")
    return folder


def _is_memory(path: Path) -> bool:
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        kinds = {fields[1]: fields[2] for fields in map(str.split, mounts)}
    return kinds.get(str(path)) in ("tmpfs", "ramfs")


def _trainings() -> Iterator[Path]:
    if TRAININGS.is_dir():
        yield from (folder for folder in TRAININGS.iterdir() if folder.is_dir())


def _is_locked(folder: Path) -> bool:
    try:
        os.close(file_locks.acquire(folder / "lock"))
    except BlockingIOError:
        return True
    return False
