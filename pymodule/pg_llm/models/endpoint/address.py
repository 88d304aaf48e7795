"""Where the servers of an endpoint are, and the keys that they want."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pg_llm.errors import InvalidModel
from pg_llm.models.spec import ModelSpec
from pg_llm.protocol import FOLDER

# Relative to the data directory. Only the server's own user writes here: who registers a model can name no other file.
KEYS = Path(FOLDER, "keys")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MAX_KEY = 8192


@dataclass(frozen=True, slots=True)
class Address:
    """The base of an API, and its name of the model."""

    base: httpx.URL
    model: str

    @classmethod
    def of(cls, source: str, *, allow_http: bool = False) -> Address:
        """The address in a source. Raises InvalidModel for one that is none, or that would give things away."""
        written, _, model = source.partition("#")
        try:
            base = httpx.URL(written)
        except (httpx.InvalidURL, ValueError) as error:
            raise InvalidModel(f'not an address: "{written}"', hint="Write https://host/v1#model.") from error
        if not base.host or not model:
            missing = "model" if base.host else "host"
            raise InvalidModel(f'the endpoint "{written}" names no {missing}', hint="Write https://host/v1#model.")
        if base.userinfo:
            raise InvalidModel(
                "the address of an endpoint holds no password, as everybody can read it",
                hint="Name the variable of the server's environment that has the key: option api_key_env.",
            )
        if base.scheme == "http" and not is_loopback(base.host) and not allow_http:
            raise InvalidModel(
                f'texts and key would go to "{base.host}" in the clear',
                hint="""Write https://, or accept it: options => '{"allow_http": true}'.""",
            )
        return cls(base, model)

    def resource(self, name: str) -> httpx.URL:
        """The address of a resource below the base."""
        return self.base.copy_with(path=f"{self.base.path.rstrip('/')}/{name}")


def servers(spec: ModelSpec) -> list[tuple[Address, Key]]:
    """The server in a model's source and its replicas, each with its key. Raises InvalidModel."""
    allow_http = bool(spec.options.get("allow_http"))
    first = Address.of(spec.source, allow_http=allow_http)
    found = {first: Key(spec.options)}
    for written in spec.options.get("replicas", ()):
        options = written if isinstance(written, dict) else {**spec.options, "source": written}
        source = options["source"]
        named = source if "#" in source else f"{source}#{first.model}"
        address = Address.of(named, allow_http=allow_http)
        if address in found:
            raise InvalidModel(f'the address "{source}" is given twice', hint="Name each server once.")
        found[address] = Key(options)
    return [*found.items()]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Key:
    """The key of an API, read whenever it is sent: from the server's environment, or a file that may change."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._variable = options.get("api_key_env")
        self._file = options.get("api_key_file")
        if self._variable and self._file:
            raise InvalidModel("the key of an endpoint comes from a variable or from a file, not from both")
        if self._file and not _FILE.fullmatch(self._file):
            raise InvalidModel(
                f'"{self._file}" is not the name of a key\'s file', hint=f"Name a file in {KEYS} of the data directory."
            )

    @property
    def place(self) -> str | None:
        """Where the key is read, in words; None for an endpoint without one."""
        if self._variable:
            return f"${self._variable} in the server's environment"
        return f"{KEYS / self._file} of the data directory" if self._file else None

    def read(self) -> str | None:
        """The key; None for an endpoint without one. Raises InvalidModel where it is missing or no key."""
        if self.place is None:
            return None
        key = os.environ.get(self._variable, "") if self._variable else self._read_file()
        key = key.strip()
        # What cannot be sent would be repeated in the error of who sends it.
        if not key or len(key) > _MAX_KEY or not key.isascii() or not key.isprintable():
            raise InvalidModel(
                f"{self.place} holds no key", hint="Put it there, in one line, and start the model host again."
            )
        return key

    def _read_file(self) -> str:
        try:
            with open(KEYS / str(self._file), encoding="ascii", errors="replace") as file:
                return file.read(_MAX_KEY + 2)
        except OSError as error:
            raise InvalidModel(
                f"{self.place} cannot be read: {error.strerror}", hint="The server's user must be able to read it."
            ) from error
