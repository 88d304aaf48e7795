"""The process that trains: its folder, its command, what it says. Who starts it decides how to wait for it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pg_llm import file_locks, interrupts, protocol
from pg_llm.errors import Error, from_wire, resource_error
from pg_llm.installation import OPENMP_ENV, PACKAGE, installation

# Below the data directory, which is the working directory of backends and host.
FOLDER = Path(protocol.FOLDER) / "training"
_LOCK = FOLDER.parent / "training.lock"

_held: dict[Path, int] = {}


def prepare(job: dict[str, Any], rows: Iterable[str]) -> Path:
    """A folder of its own for one training, with the JSON of each row; `remove` takes it away."""
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    with interrupts.deferred(), file_locks.exclusive(_LOCK):
        _sweep()
        folder = Path(tempfile.mkdtemp(dir=FOLDER)).absolute()
        # Held for as long as this process lives: the folder of one that was killed can be told by that.
        _held[folder] = file_locks.acquire(folder / "lock")
    try:
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(f"{row}\n" for row in rows)
    except BaseException:
        remove(folder)
        raise
    return folder


def sweep() -> None:
    """Remove what trainings left whose owner was killed."""
    if FOLDER.is_dir():
        with file_locks.exclusive(_LOCK):
            _sweep()


def _sweep() -> None:
    for folder in FOLDER.iterdir():
        if folder.is_dir():
            try:
                os.close(file_locks.acquire(folder / "lock"))
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)


def command(folder: Path) -> list[str]:
    """What runs the training in the folder."""
    return [installation().python, "-m", "pg_llm.runtime.training", str(folder)]


def environment(logs: str | None = None) -> dict[str, str]:
    """The environment it runs in; `logs` is where TensorBoard will look for what it logs."""
    dropped = ("PG", "PYTHON", "TENSORBOARD")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {
        **OPENMP_ENV,
        **kept,
        "PYTHONPATH": str(PACKAGE.parent),
        **({"TENSORBOARD_LOGGING_DIR": logs} if logs else {}),
    }


def said(line: bytes) -> dict[str, Any]:
    """A report or the result. Raises the error that it tells."""
    message = json.loads(line)
    if "error" in message:
        raise from_wire(message["error"])
    return dict(message)


def ended(code: int, folder: Path) -> Error:
    """Why a training that told no result came to its end."""
    log = folder / "log"
    last = (log.read_text(errors="replace").strip().splitlines() or [f"exit status {code}"])[-1] if log.exists() else ""
    if code < 0:
        return Error(f"the training was killed by signal {-code}", hint="Nothing was changed; start it again.")
    return resource_error(last) or Error(
        f"the training failed: {last}", hint="Nothing was changed. pg_llm/host.log in the data directory says more."
    )


def remove(folder: Path) -> None:
    """Take a training's folder away."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(_held.pop(folder))
