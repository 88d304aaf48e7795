"""The model host's process: python -m pg_llm.runtime --data-directory FOLDER [--detach].

Backends start it themselves; started by hand or by systemd it stays in the foreground and logs to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import logging.handlers
import os
import shutil
import signal
import sys
from pathlib import Path

from pg_llm import protocol
from pg_llm.errors import Error
from pg_llm.runtime import configuration, lock, postmaster, spawn, transient
from pg_llm.runtime.listener import Listener
from pg_llm.runtime.request_memory import Memory

log = logging.getLogger("pg_llm.runtime")

# Short of memory, the kernel kills this process before those of the server (proc(5): 0 is usual, 1000 the highest).
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
    # Forks, so it comes before the lock, which a child process would not inherit.
    ready = _detach() if args.detach else None
    try:
        server = postmaster.running()
        settings = configuration.read()
        lock_file = None if spawn.is_served() else lock.acquire(settings.host_timeout)
        listener = Listener() if lock_file is not None else None
    except (Error, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if ready is not None:
        _signal_ready(ready)
    if lock_file is None or listener is None:
        return 0
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write(_OOM_SCORE)
    # Version 0.1.0 kept there what can be made again; base backups failed at long paths.
    for former in ("models", "training"):
        shutil.rmtree(Path(protocol.FOLDER, former), ignore_errors=True)
    _log_to(f"{protocol.FOLDER}/host.log" if args.detach else None)
    try:
        transient.place(in_memory=settings.model_file_key is not None)
    except (Error, OSError) as error:
        # Who needs what is encrypted is told so; all else goes on.
        log.warning("no place for what is decrypted: %s", error)
    try:
        asyncio.run(_serve(listener, lock_file, server, settings))
    except Exception:
        log.exception("the model host failed")
        return 1
    return 0


def _detach() -> int:
    """Fork, so that the host neither blocks the backend that started it nor ends with it (daemonize).

    The parent process stays until `_signal_ready`; if this process ends before, the parent ends with the same status.
    """
    signalled, ready = os.pipe()
    if child := os.fork():
        os.close(ready)
        if os.read(signalled, 1):
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code < 0:
            os.kill(os.getpid(), -code)
        os._exit(code)
    os.close(signalled)
    return ready


def _signal_ready(ready: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    # The parent may have been killed.
    with contextlib.suppress(BrokenPipeError):
        os.write(ready, b"1")
    os.close(ready)


def _log_to(file: str | None) -> None:
    handler = (
        logging.handlers.RotatingFileHandler(file, maxBytes=1 << 20, backupCount=1) if file else logging.StreamHandler()
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")


async def _serve(
    listener: Listener, lock_file: int, server: postmaster.Postmaster, settings: configuration.Configuration
) -> None:
    from pg_llm import tasks
    from pg_llm.models import loading
    from pg_llm.models.model_cache import ModelCache
    from pg_llm.runtime.result_cache import ResultCache
    from pg_llm.runtime.server import Server
    from pg_llm.runtime.training import process
    from pg_llm.runtime.usage import Ledger
    from pg_llm.tasks import worker_process

    def leave() -> None:
        """Exit at once: a running model cannot be interrupted, and there is nothing to save."""
        listener.remove()
        logging.shutdown()
        os._exit(0)

    memory = Memory(settings.host_memory_limit)
    worker_process.memory_limit = settings.process_memory_limit
    finder = tasks.personal_data_finder(lambda spec: cache.get(spec))
    cache = ModelCache(
        lambda spec: loading.load_reporting_errors(spec, settings.threads, cache.get, finder),
        loading.weight,
        min(settings.memory_limit, settings.host_memory_limit),
    )
    results = ResultCache(settings.memo_limit)
    dispatcher = Server(cache, results, memory, Ledger(), settings.tensorboard_directory, leave)
    # By now, as the data directory may be deleted with the server.
    memory_folder = transient.in_memory()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    await listener.serve(dispatcher.serve)
    process.remove_abandoned()
    log.info("ready for postmaster %d: %s", server.pid, settings)
    maintaining = asyncio.create_task(_maintain(listener, lock_file, settings, memory))
    gone = asyncio.create_task(postmaster.gone(server))
    await asyncio.wait((maintaining, gone), return_when=asyncio.FIRST_COMPLETED)
    if maintaining.done() and maintaining.exception():
        log.error("the model host cannot go on", exc_info=maintaining.exception())
    else:
        log.info("leaving: %s", "another host has come" if maintaining.done() else f"postmaster {server.pid} is gone")
    if gone.done() and memory_folder is not None:
        shutil.rmtree(memory_folder, ignore_errors=True)
    leave()


async def _maintain(listener: Listener, lock_file: int, settings: configuration.Configuration, memory: Memory) -> None:
    """Beat, free memory, restore a lock file or socket that was removed; returns once another host runs."""
    while True:
        lock.beat(lock_file)
        memory.relieve()
        if not lock.is_in_place(lock_file):
            new_lock_file = lock.acquire(settings.host_timeout)
            if new_lock_file is None:
                return
            log.warning("the lock file was gone")
            # The old descriptor stays open: closing any descriptor of a file releases a process's locks on it.
            lock_file = new_lock_file
        await listener.restore()
        await asyncio.sleep(lock.BEAT)


if __name__ == "__main__":
    sys.exit(main())
