"""The host's socket: made so that no moment has none, and made anew when somebody removes it."""

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
_WAITING = 1024


class Listener:
    """Bound at once, so that callers can wait in line; `serve` begins to answer them."""

    def __init__(self) -> None:
        self._socket, self._inode = _bound()
        self._serve: Serve | None = None
        self._server: asyncio.Server | None = None

    async def serve(self, serve: Serve) -> None:
        """Answer each connection by the function."""
        self._serve = serve
        self._server = await asyncio.start_unix_server(serve, sock=self._socket)

    async def restore(self) -> None:
        """Listen anew where the socket is no longer the one that others find; connections that there are stay."""
        if _inode() == self._inode or self._serve is None or self._server is None:
            return
        log.warning("the socket was gone")
        before = self._server
        self._socket, self._inode = _bound()
        await self.serve(self._serve)
        before.close()

    def remove(self) -> None:
        """Take the socket away, unless it is another's."""
        if _inode() == self._inode:
            Path(protocol.SOCKET).unlink(missing_ok=True)


def _bound() -> tuple[socket.socket, int]:
    made = f"{protocol.SOCKET}.{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    Path(made).unlink(missing_ok=True)
    listener.bind(made)
    listener.listen(_WAITING)
    inode = os.stat(made).st_ino
    os.rename(made, protocol.SOCKET)
    return listener, inode


def _inode() -> int | None:
    try:
        return os.stat(protocol.SOCKET).st_ino
    except OSError:
        return None
