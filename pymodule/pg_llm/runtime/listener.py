"""The host's Unix socket: replaced atomically, and created again when somebody removes it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from pg_llm import protocol

log = logging.getLogger("pg_llm.runtime")

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# Connections that may queue up.
_BACKLOG = 1024


class Listener:
    """Bound at once, so that connections queue up until `serve` accepts them."""

    def __init__(self) -> None:
        self._socket, self._inode = _bound()
        self._serve: Serve | None = None
        self._server: asyncio.Server | None = None

    async def serve(self, serve: Serve) -> None:
        """Serve each connection by the function."""
        self._serve = serve
        self._server = await asyncio.start_unix_server(serve, sock=self._socket)

    async def restore(self) -> None:
        """Listen again if the socket's path was removed or replaced; open connections stay."""
        if _inode() == self._inode or self._serve is None or self._server is None:
            return
        log.warning("the socket was gone")
        previous = self._server
        self._socket, self._inode = _bound()
        await self.serve(self._serve)
        previous.close()

    def remove(self) -> None:
        """Remove the socket's path, unless it is another host's."""
        if _inode() == self._inode:
            Path(protocol.SOCKET).unlink(missing_ok=True)


def _bound() -> tuple[socket.socket, int]:
    temporary = f"{protocol.SOCKET}.{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    Path(temporary).unlink(missing_ok=True)
    listener.bind(temporary)
    listener.listen(_BACKLOG)
    inode = os.stat(temporary).st_ino
    os.rename(temporary, protocol.SOCKET)
    return listener, inode


def _inode() -> int | None:
    try:
        return os.stat(protocol.SOCKET).st_ino
    except OSError:
        return None
