"""The training process: its folder, command, environment and messages; started, followed, and killed with its caller.

If the host itself is killed, the process ends with it (`parent_death`), and the next training removes its folder.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pg_llm import file_locks, interrupts, protocol
from pg_llm.errors import Error, from_wire, resource_error
from pg_llm.installation import OPENMP_ENV, PACKAGE, installation
from pg_llm.protocol import Message
from pg_llm.runtime import transient
from pg_llm.runtime.training import checkpoints

log = logging.getLogger("pg_llm.runtime")

# Below the data directory, which is the working directory of backends and host.
FOLDER = transient.TRAININGS
_LOCK = FOLDER.parent / "training.lock"

# Descriptors of the locks on this process's own folders.
_locks: dict[Path, int] = {}


def prepare(job: dict[str, Any], rows: Iterable[str]) -> Path:
    """A folder for one training, with the job and the JSON of each row; `remove` deletes it.

    It is the folder of the same training, with its checkpoints, if that was killed with its host.
    """
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    with interrupts.deferred(), file_locks.exclusive(_LOCK):
        abandoned = _acquire_abandoned()
        folder = Path(tempfile.mkdtemp(dir=FOLDER)).absolute()
        # Locked for as long as this process lives, so that the folder of a killed process is recognised.
        _locks[folder] = file_locks.acquire(folder / "lock")
    try:
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(f"{row}\n" for row in rows)
        resumed = next((old for old in abandoned if checkpoints.may_resume(old, folder)), None)
    except BaseException:
        remove(folder)
        _remove_all(abandoned)
        raise
    with interrupts.deferred():
        if resumed is not None:
            _locks[resumed] = abandoned.pop(resumed)
            checkpoints.discard_result(resumed)
            remove(folder)
        _remove_all(abandoned)
    return resumed or folder


def remove_abandoned() -> None:
    """Remove the training folders of processes that were killed, but for those that may be resumed."""
    if FOLDER.is_dir():
        with file_locks.exclusive(_LOCK):
            abandoned = _acquire_abandoned()
            kept = [folder for folder in abandoned if checkpoints.is_resumable(folder)]
            for folder in kept:
                os.close(abandoned.pop(folder))
            _remove_all(abandoned)


def remove_abandoned_with(texts: Iterable[str]) -> None:
    """Remove the training folders of processes that were killed whose rows hold one of these texts, in any case."""
    sought = [json.dumps(text)[1:-1].casefold() for text in texts if text]
    if sought and FOLDER.is_dir():
        with file_locks.exclusive(_LOCK):
            abandoned = _acquire_abandoned()
            for folder in list(abandoned):
                with (folder / "rows.jsonl").open(encoding="utf-8") as file:
                    if not any(text in line.casefold() for line in file for text in sought):
                        os.close(abandoned.pop(folder))
            _remove_all(abandoned)


def _acquire_abandoned() -> dict[Path, int]:
    """The folders whose processes were killed, and the descriptors of their locks."""
    abandoned = {}
    for folder in sorted(FOLDER.iterdir()):
        if folder.is_dir():
            try:
                abandoned[folder.absolute()] = file_locks.acquire(folder / "lock")
            except BlockingIOError:
                continue
    return abandoned


def _remove_all(abandoned: dict[Path, int]) -> None:
    for folder, lock in abandoned.items():
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def command(folder: Path) -> list[str]:
    """The command line of the training in the folder."""
    return [installation().python, "-m", "pg_llm.runtime.training", str(folder)]


def environment(logs: str | None = None) -> dict[str, str]:
    """The environment of a training; `logs` is the folder for TensorBoard."""
    dropped = ("PG", "PYTHON", "TENSORBOARD")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    tensorboard = {"TENSORBOARD_LOGGING_DIR": logs} if logs else {}
    return {**OPENMP_ENV, **inherited, "PYTHONPATH": str(PACKAGE.parent), **tensorboard}


async def run(folder: Path, logs: str | None, report: Callable[[Message], None]) -> Message:
    """The result of the training in the folder; the process is killed if this is cancelled.

    `logs` is the folder for TensorBoard; `report` is given each report.
    """
    import asyncio

    with (folder / "log").open("wb") as errors:
        running = await asyncio.create_subprocess_exec(
            *command(folder),
            env=environment(logs),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=protocol.MAX_JSON,
        )
    assert running.stdout is not None
    result: Message | None = None
    try:
        async for line in running.stdout:
            message = parse_message(line)
            if "report" in message:
                report(message["report"])
            else:
                result = message["result"]
        code = await running.wait()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    if result is None:
        log.warning("training failed: %s", (folder / "log").read_text(errors="replace")[-4000:])
        raise failure(code, folder)
    return result


def parse_message(line: bytes) -> dict[str, Any]:
    """A report or the result. Raises the error that the message holds."""
    message = json.loads(line)
    if "error" in message:
        raise from_wire(message["error"])
    return dict(message)


def failure(code: int, folder: Path) -> Error:
    """The error for a training that ended without a result."""
    log = folder / "log"
    last = (log.read_text(errors="replace").strip().splitlines() or [f"exit status {code}"])[-1] if log.exists() else ""
    if code < 0:
        return Error(f"the training was killed by signal {-code}", hint="Nothing was changed; start it again.")
    return resource_error(last) or Error(
        f"the training failed: {last}", hint="Nothing was changed. pg_llm/host.log in the data directory says more."
    )


def remove(folder: Path) -> None:
    """Delete a training's folder and release its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(_locks.pop(folder))
