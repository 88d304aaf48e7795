"""Child processes that end with the one that started them, however that ends."""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent, which has this number, ends; exit if it has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def die_once_closed(pipe: int) -> None:
    """Let the kernel end this process when a pipe's other end is closed, even while native code keeps Python waiting.

    Unlike `die_with`, it asks for no parent's thread to live on; what is written to the pipe ends the process too.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    waiting = select.poll()
    waiting.register(pipe, 0)
    if waiting.poll(0):
        sys.exit(1)


def read_on(pipe: int) -> None:
    """End what `die_once_closed` began: from now on the pipe is read."""
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) & ~os.O_ASYNC)
