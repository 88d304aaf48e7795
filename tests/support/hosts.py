"""The processes of model hosts, as tests see them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psycopg
from database import value


def host_pid(db: psycopg.Connection) -> int:
    db.execute("SELECT llm_load_model('all-minilm-l6-v2')")
    return value(db, "SELECT max(host_pid) FROM llm_status()")


def hosts(data: Path) -> list[int]:
    """Every process that runs a host for this data directory, or starts one."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            command = (each / "cmdline").read_bytes().decode().split("\0")
            if "pg_llm.runtime" in command and str(data) in command:
                found.append(int(each.name))
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def children(pid: int, module: str) -> list[int]:
    """The processes that a process has started with this Python module."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_child = f"\nPPid:\t{pid}\n" in (process / "status").read_text()
            if is_child and module in (process / "cmdline").read_text():
                found.append(int(process.name))
    return found
