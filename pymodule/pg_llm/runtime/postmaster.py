"""The PostgreSQL server that the host belongs to, and the detection of its end."""

from __future__ import annotations

import asyncio
import os
import shlex
from dataclasses import dataclass

from pg_llm.errors import HostUnavailable


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A running server: its process id and the command line it was started with."""

    pid: int
    command: tuple[str, ...]


def running() -> Postmaster:
    """The server whose data directory is the working directory. Raises HostUnavailable."""
    try:
        with open("postmaster.pid", encoding="utf-8") as lines:
            pid = int(lines.readline())
        with open("postmaster.opts", encoding="utf-8") as line:
            command = tuple(shlex.split(line.read()))
        os.kill(pid, 0)
    except (OSError, ValueError) as error:
        raise HostUnavailable(f'no PostgreSQL server runs in "{os.getcwd()}": {error}') from error
    return Postmaster(pid, command)


async def gone(postmaster: Postmaster) -> None:
    """Returns once the server has ended."""
    try:
        descriptor = os.pidfd_open(postmaster.pid)
    except ProcessLookupError:
        return
    except OSError:
        await _poll(postmaster.pid)
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    await ended.wait()


async def _poll(pid: int) -> None:
    """For kernels without pidfd_open (before Linux 5.3)."""
    while True:
        try:
            os.kill(pid, 0)
        except OSError:
            return
        await asyncio.sleep(0.25)
