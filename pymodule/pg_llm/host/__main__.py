"""Runs the model host of one cluster: python -m pg_llm.host --data-directory FOLDER [--detach].

Backends start it by themselves; by hand or under systemd it stays in the foreground and logs to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import logging.handlers
import os
import signal
import socket
import sys
from pathlib import Path

from pg_llm import protocol
from pg_llm.errors import Error
from pg_llm.host import configuration, postmaster

log = logging.getLogger("pg_llm.host")


def main() -> int:
    """Command line of the host."""
    parser = argparse.ArgumentParser(prog="python -m pg_llm.host", description=__doc__)
    parser.add_argument("--data-directory", required=True, type=Path)
    parser.add_argument("--detach", action="store_true", help="go to the background once connections are accepted")
    args = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir(args.data_directory)
    os.umask(0o077)
    os.makedirs(protocol.FOLDER, exist_ok=True)
    lock = os.open(f"{protocol.FOLDER}/host.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    try:
        watched = postmaster.running()
        settings = configuration.read()
        listener = _listen()
    except (Error, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if args.detach:
        _detach()
    _log_to(f"{protocol.FOLDER}/host.log" if args.detach else None)
    try:
        asyncio.run(_serve(listener, watched, settings))
    except Exception:
        log.exception("the model host failed")
        return 1
    return 0


def _listen() -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    Path(protocol.SOCKET).unlink(missing_ok=True)
    listener.bind(protocol.SOCKET)
    listener.listen(1024)
    return listener


def _detach() -> None:
    """Leave the backend that started us: it must neither wait for us nor take us along."""
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _log_to(file: str | None) -> None:
    handler = (
        logging.handlers.RotatingFileHandler(file, maxBytes=1 << 20, backupCount=1) if file else logging.StreamHandler()
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")


async def _serve(
    listener: socket.socket, watched: postmaster.Postmaster, settings: configuration.Configuration
) -> None:
    from pg_llm.host.memo import Memo
    from pg_llm.host.server import Server
    from pg_llm.models import loading
    from pg_llm.models.cache import ModelCache
    from pg_llm.training import process

    cache = ModelCache(
        lambda spec: loading.load(spec, settings.threads, cache.get), loading.weight, settings.memory_limit
    )
    server = Server(cache, Memo(settings.memo_limit), settings.tensorboard_directory, _leave)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _leave)
    await asyncio.start_unix_server(server.serve, sock=listener)
    process.sweep()
    log.info("ready for postmaster %d: %s", watched.pid, settings)
    await postmaster.gone(watched)
    log.info("postmaster %d is gone: leaving", watched.pid)
    _leave()


def _leave() -> None:
    """End at once: a model that is running cannot be asked to stop, and nothing here needs saving."""
    Path(protocol.SOCKET).unlink(missing_ok=True)
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
