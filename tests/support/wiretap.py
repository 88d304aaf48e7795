"""A TCP proxy that keeps what passes in both directions, and can cut the line."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Wiretap:
    """Listens at `port` of 127.0.0.1 for a server there; `sent` goes to the server, `received` comes from it.

    After `cut_at` occurrences of `word` on their way to the server the line is dead.
    """

    def __init__(self, target: int, word: bytes = b"llm_federated_update") -> None:
        self._target, self._word = target, word
        self.cut_at: int | None = None
        self.sent, self.received = bytearray(), bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def clear(self) -> None:
        """Forget what has passed."""
        self.sent.clear()
        self.received.clear()
        self.cut_at = None

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._lines += [client, server]
                for source, drain, kept in ((client, server, self.sent), (server, client, self.received)):
                    threading.Thread(target=self._pump, args=(source, drain, kept), daemon=True).start()

    def _pump(self, source: socket.socket, drain: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                kept += data
                if self.cut_at is not None and self.sent.count(self._word) >= self.cut_at:
                    break
                drain.sendall(data)
        for line in (source, drain):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in (self._listener, *self._lines):
            line.close()
