"""Runs the model host of one cluster: python -m pg_llm.runtime --data-directory FOLDER [--detach].

Backends start it by themselves; by hand or under systemd it stays in the foreground and logs to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import logging.handlers
import os
import signal
import sys
from pathlib import Path

from pg_llm import protocol
from pg_llm.errors import Error
from pg_llm.runtime import configuration, lock, postmaster, spawn
from pg_llm.runtime.listener import Listener
from pg_llm.runtime.memory import Memory

log = logging.getLogger("pg_llm.runtime")

# The kernel, short of memory, ends this process before any of the server's (proc(5): 0 is usual, 1000 the most).
_OOM_SCORE = "500"


def main() -> int:
    """Command line of the host."""
    parser = argparse.ArgumentParser(prog="python -m pg_llm.runtime", description=__doc__)
    parser.add_argument("--data-directory", required=True, type=Path)
    parser.add_argument("--detach", action="store_true", help="go to the background once connections are accepted")
    args = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir(args.data_directory)
    os.umask(0o077)
    os.makedirs(protocol.FOLDER, exist_ok=True)
    # Before the lock is taken: it belongs to one process.
    ready = _detach() if args.detach else None
    try:
        watched = postmaster.running()
        settings = configuration.read()
        held = None if spawn.is_served() else lock.acquire(settings.host_timeout)
        listener = Listener() if held is not None else None
    except (Error, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if ready is not None:
        _say(ready)
    if held is None or listener is None:
        return 0
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write(_OOM_SCORE)
    _log_to(f"{protocol.FOLDER}/host.log" if args.detach else None)
    try:
        asyncio.run(_serve(listener, held, watched, settings))
    except Exception:
        log.exception("the model host failed")
        return 1
    return 0


def _detach() -> int:
    """Leave the backend that started us: it must neither wait for us nor take us along.

    The process that it started stays until `_say`, and ends as this one does if that comes first.
    """
    word, ready = os.pipe()
    if child := os.fork():
        os.close(ready)
        if os.read(word, 1):
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code < 0:
            os.kill(os.getpid(), -code)
        os._exit(code)
    os.close(word)
    return ready


def _say(ready: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    # Who started us may be gone.
    with contextlib.suppress(BrokenPipeError):
        os.write(ready, b"1")
    os.close(ready)


def _log_to(file: str | None) -> None:
    handler = (
        logging.handlers.RotatingFileHandler(file, maxBytes=1 << 20, backupCount=1) if file else logging.StreamHandler()
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")


async def _serve(
    listener: Listener, held: int, watched: postmaster.Postmaster, settings: configuration.Configuration
) -> None:
    from pg_llm.models import loading
    from pg_llm.models.cache import ModelCache
    from pg_llm.runtime.result_cache import ResultCache
    from pg_llm.runtime.server import Server
    from pg_llm.runtime.training import process

    def leave() -> None:
        """End at once: a model that is running cannot be asked to stop, and nothing here needs saving."""
        listener.remove()
        logging.shutdown()
        os._exit(0)

    memory = Memory(settings.host_memory_limit)
    cache = ModelCache(
        lambda spec: loading.loaded(spec, settings.threads, cache.get),
        loading.weight,
        min(settings.memory_limit, settings.host_memory_limit),
    )
    server = Server(cache, ResultCache(settings.memo_limit), memory, settings.tensorboard_directory, leave)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    await listener.serve(server.serve)
    process.sweep()
    log.info("ready for postmaster %d: %s", watched.pid, settings)
    keeping = asyncio.create_task(_keep(listener, held, settings, memory))
    gone = asyncio.create_task(postmaster.gone(watched))
    await asyncio.wait((keeping, gone), return_when=asyncio.FIRST_COMPLETED)
    if keeping.done() and keeping.exception():
        log.error("the model host cannot go on", exc_info=keeping.exception())
    else:
        log.info("leaving: %s", "another host has come" if keeping.done() else f"postmaster {watched.pid} is gone")
    leave()


async def _keep(listener: Listener, held: int, settings: configuration.Configuration, memory: Memory) -> None:
    """Show that the host is alive, and stay the one that others find; returns when another one is."""
    while True:
        lock.beat(held)
        memory.relieve()
        if not lock.is_in_place(held):
            again = lock.acquire(settings.host_timeout)
            if again is None:
                return
            log.warning("the lock file was gone")
            # Closing any descriptor of a file lets go of a process's locks on it; the old file has no other reader.
            held = again
        await listener.restore()
        await asyncio.sleep(lock.BEAT)


if __name__ == "__main__":
    sys.exit(main())
