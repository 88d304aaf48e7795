"""Wire protocol of the host's socket: a 4-byte big-endian length, that many bytes of JSON (never pickle), then texts.

A request is {"id", "op", …}, a response {"id", "result"} or {"id", "error"}. Responses may come in any order. The texts
of `inputs` or `result` may follow the JSON as UTF-8, since decoding long JSON would hold Python's global interpreter
lock for long. The JSON then has `texts`: the key of their list and their lengths in bytes.

A request says in `reads` which parts of a response beside `result` its sender knows: `texts`, `errors`. The latter are
the errors of single inputs, each with its position in `result`, where an empty text stands for it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

from pg_llm.errors import Error, InvalidInput, from_wire, to_wire

Message = dict[str, Any]

HEADER = struct.Struct(">I")
# Bytes of the JSON, and of the texts after it, that are decoded in a fraction of a second.
MAX_JSON = 1 << 25
MAX_TEXTS = 1 << 27
# Items of a list that are encoded in one call.
_ITEMS = 1000

# Relative to the data directory, which is the working directory of every backend: a Unix socket's path holds 107 bytes.
FOLDER = "pg_llm"
# What can be made again: base backups leave out whatever has this name, and refuse paths of 100 bytes.
TRANSIENT = f"{FOLDER}/pgsql_tmp"
SOCKET = f"{FOLDER}/host.sock"
LOCK = f"{FOLDER}/host.lock"


def encode(message: Message, *, plain: bool = False) -> bytes:
    """The message as one frame; a plain frame is JSON only. Raises InvalidInput for a message that is too large."""
    texts: list[bytes] = []
    for name in () if plain else ("inputs", "result"):
        listed = message.get(name)
        if listed and isinstance(listed, list) and all(isinstance(text, str) for text in listed):
            # Python strings may hold lone surrogates.
            texts = [text.encode("utf-8", "surrogatepass") for text in listed]
            message = {**message, name: None, "texts": [name, list(map(len, texts))]}
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    for size, most in ((len(body), MAX_JSON), (sum(map(len, texts)), MAX_TEXTS)):
        if size > most:
            raise InvalidInput(
                f"the input is too large: {size} bytes of at most {most}", hint="Send it in smaller pieces."
            )
    return b"".join((HEADER.pack(len(body)), body, *texts))


def answered(results: Sequence[Any], knows_errors: bool) -> Message:
    """Results, some of them Errors, as a response. Raises the first error if the receiver knows of none beside them."""
    errors = [(position, result) for position, result in enumerate(results) if isinstance(result, Error)]
    if not errors:
        return {"result": results}
    if not knows_errors:
        raise errors[0][1]
    plain = ["" if isinstance(result, Error) else result for result in results]
    return {"result": plain, "errors": [[position, to_wire(error)] for position, error in errors]}


def results(response: Message) -> Any:
    """What `answered` made the response of."""
    for position, error in response.get("errors", ()):
        response["result"][position] = from_wire(error)
    return response["result"]


def size(header: bytes) -> int:
    """Bytes of JSON that follow. Raises ValueError for more than a frame may hold."""
    length = int(HEADER.unpack(header)[0])
    if length > MAX_JSON:
        raise ValueError(f"a frame of {length} bytes")
    return length


def dumps(value: Any) -> str:
    """JSON of a value; a long list is encoded in parts, as nothing interrupts the library's own loop."""
    if isinstance(value, list | tuple) and len(value) > _ITEMS:
        parts = (_json(value[start : start + _ITEMS])[1:-1] for start in range(0, len(value), _ITEMS))
        return f"[{','.join(parts)}]"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def decode(body: bytes) -> Message:
    """The JSON of a frame. Raises ValueError."""
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("a frame holds one JSON object")
    return message


def texts_size(message: Message) -> int:
    """Bytes of texts that follow a frame's JSON. Raises ValueError for more than a frame may hold."""
    name, lengths = message.get("texts") or ("", [])
    if not isinstance(name, str) or not all(type(length) is int and length >= 0 for length in lengths):
        raise ValueError("a frame's texts have lengths")
    total = sum(lengths)
    if total > MAX_TEXTS:
        raise ValueError(f"a frame with {total} bytes of texts")
    return total


def complete(message: Message, texts: bytes) -> Message:
    """The message with its texts put back into their list."""
    name, lengths = message.pop("texts", None) or ("", [])
    listed = []
    start = 0
    for length in lengths:
        listed.append(str(memoryview(texts)[start : start + length], "utf-8", "surrogatepass"))
        start += length
    return {**message, name: listed} if name else message
