"""Processes that end with their parent, also while native code keeps Python waiting."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# PyDLL keeps Python's lock while it sleeps, as a library that computes without end does.
CHILD = """
import ctypes, sys
from pg_llm import parent_death
sys.stdin.readline()
parent_death.die_once_closed(0)
print("here", flush=True)
{then}
"""
BUSY = "ctypes.PyDLL(None).sleep(60)"
READING = "parent_death.read_on(0); print('reading', flush=True); print(sys.stdin.read(), flush=True)"


def child(then: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD.format(then=then)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize("waits", [True, False], ids=["before", "meanwhile"])
def test_a_busy_process_ends_with_the_pipe(waits: bool) -> None:
    with child(BUSY) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        if waits:
            assert process.stdout.readline() == "here\n"
        process.stdin.close()
        assert process.wait(20) != 0


def test_a_process_that_reads_on_sees_the_end() -> None:
    with child(READING) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "here\n"
        assert process.stdout.readline() == "reading\n"
        process.stdin.write("more")
        process.stdin.close()
        assert process.stdout.readline() == "more\n"
        assert process.wait(20) == 0
