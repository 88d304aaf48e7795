"""The process that trains: its folder, its command, what it says. Who starts it decides how to wait for it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pg_llm import protocol
from pg_llm.errors import Error, from_wire
from pg_llm.installation import PACKAGE, installation

# Below the data directory, which is the working directory of backends and host.
FOLDER = Path(protocol.FOLDER) / "training"


def prepare(job: dict[str, Any], rows: Iterable[Any]) -> Path:
    """A folder of its own for one training, with what it works from; `remove` takes it away."""
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=FOLDER)).absolute()
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def sweep() -> None:
    """Remove what trainings left whose owner was killed."""
    for folder in FOLDER.glob("*-*"):
        try:
            os.kill(int(folder.name.partition("-")[0]), 0)
        except ProcessLookupError:
            remove(folder)
        except (ValueError, PermissionError):
            continue


def command(folder: Path) -> list[str]:
    """What runs the training in the folder."""
    return [installation().python, "-m", "pg_llm.training", str(folder)]


def environment() -> dict[str, str]:
    """The environment it runs in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
    return {**kept, "PYTHONPATH": str(PACKAGE.parent)}


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
    return Error(
        f"the training failed: {last}", hint="Nothing was changed. pg_llm/host.log in the data directory says more."
    )


def remove(folder: Path) -> None:
    """Take a training's folder away."""
    shutil.rmtree(folder, ignore_errors=True)
