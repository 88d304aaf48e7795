"""Frames on the socket: a 4-byte big-endian length, then that many bytes of JSON (never pickle).

A request is {"id", "op", …}, a response {"id", "result"} or {"id", "error"}. Responses may come in any order.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from pg_llm.errors import InvalidInput

Message = dict[str, Any]

HEADER = struct.Struct(">I")
MAX_FRAME = 1 << 30
_AT_ONCE = 1000

# Relative to the data directory, which is the working directory of every backend: a Unix socket's path holds 107 bytes.
FOLDER = "pg_llm"
SOCKET = f"{FOLDER}/host.sock"


def dumps(value: Any) -> str:
    """JSON of a value, of a long list some items at a time: nothing interrupts the library's own loop."""
    if isinstance(value, list | tuple) and len(value) > _AT_ONCE:
        parts = (_json(value[start : start + _AT_ONCE])[1:-1] for start in range(0, len(value), _AT_ONCE))
        return f"[{','.join(parts)}]"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def encode(message: Message) -> bytes:
    """The message as one frame."""
    body = f"{{{','.join(f'{_json(name)}:{dumps(value)}' for name, value in message.items())}}}".encode("ascii")
    if len(body) > MAX_FRAME:
        raise InvalidInput(
            f"the input is too large: {len(body)} bytes of at most {MAX_FRAME}", hint="Send it in smaller pieces."
        )
    return HEADER.pack(len(body)) + body


def decode(body: bytes) -> Message:
    """The message in a frame's body."""
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("a frame holds one JSON object")
    return message
