"""What a stream is read from, as the worker sees it: one interface, one adapter for each kind."""

from __future__ import annotations

import abc
import json
import os
import urllib.request
from typing import Any, NamedTuple

_DIGITS = 5


class SourceFailed(Exception):
    """A source cannot be read just now; the message is shown in stream_stats."""


class OutOfRange(SourceFailed):
    """A partition no longer has the offset that is to be read next; the message names what it has."""

    def __init__(self, partition: str, message: str) -> None:
        super().__init__(message)
        self.partition = partition


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Whoever answers sends nobody elsewhere with what the request holds."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """To nowhere."""
        return


class Record(NamedTuple):
    """One record; `position` is its offset, `time` in milliseconds since 1970."""

    partition: str
    position: int
    payload: bytes | None
    key: str | None
    time: float


class Source(abc.ABC):
    """A log in partitions, each read from the offset that it is told; raises SourceFailed."""

    @abc.abstractmethod
    def partitions(self) -> list[str]:
        """The partitions that there are."""

    @abc.abstractmethod
    def start(self, partition: str, at: float | None) -> int:
        """The offset to begin with: of the first record from a moment on, 0 for all, or where the source says."""

    @abc.abstractmethod
    def assign(self, positions: dict[str, int]) -> None:
        """Read these partitions from these offsets, and no others."""

    @abc.abstractmethod
    def read(self, limit: int, seconds: float) -> list[Record]:
        """The next records, as soon as there are some; none after so many seconds."""

    def ends(self) -> dict[str, int]:
        """The offsets after the last records of the partitions that are read, as far as they are known."""
        return {}

    def written(self, positions: dict[str, int]) -> None:  # noqa: B027 - most sources need not know
        """Told once records before these offsets are in the database."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give up what it holds."""


def setting(kind: str, name: str) -> str:
    """What the worker's environment says under a name. Raises SourceFailed."""
    variable = f"PG_LLM_{kind}_{name}"
    value = os.environ.get(variable)
    if not value:
        raise SourceFailed(f"the worker's environment has no {variable}")
    return value


def address(servers: str, port: int) -> dict[str, Any]:
    """Host and port of one server. Raises SourceFailed."""
    host, _, number = servers.partition(":")
    if number and not (number.isdecimal() and len(number) <= _DIGITS):
        raise SourceFailed("the port of the server is no number")
    return {"host": host, "port": int(number or port)}


def settings(kind: str, name: str) -> dict[str, Any]:
    """As `setting`, for a JSON object."""
    text = setting(kind, name)
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        # Without the text, which holds secrets.
        raise SourceFailed(f"PG_LLM_{kind}_{name} in the worker's environment is no JSON object")
    return value
