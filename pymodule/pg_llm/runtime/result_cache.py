"""Results the host remembers: calls are pure, so a repeated one costs nothing."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

Key = tuple[str, str, str]

# What one entry costs beside its texts: key, pointers, string headers.
_OVERHEAD = 400
# Bytes of an entry that is remembered: longer texts are seldom asked about twice.
_LARGEST = 1 << 18


def key(*parts: Any) -> str:
    """One text for anything that JSON can hold."""
    return json.dumps(parts, sort_keys=True)


def scope(task: str, options: dict[str, Any]) -> str:
    """What tells two calls of one model apart beside the text: a digest, as lists of labels are long."""
    return hashlib.sha256(key(task, options).encode()).hexdigest()


class ResultCache:
    """Least recently used results go first once `limit` bytes are held."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._results: OrderedDict[Key, str] = OrderedDict()

    def get(self, key: Key) -> str | None:
        """The remembered result, or None."""
        result = self._results.get(key)
        if result is not None:
            self._results.move_to_end(key)
        return result

    def put(self, key: Key, result: str) -> None:
        """Remember a result, unless it is over the limit, or so large that it would push out many others."""
        size = self._size(key, result)
        if size > min(self._limit, _LARGEST) or key in self._results:
            return
        self._results[key] = result
        self._held += size
        while self._held > self._limit:
            old, forgotten = self._results.popitem(last=False)
            self._held -= self._size(old, forgotten)

    def get_many(self, model: str, scope: str, texts: Iterable[str]) -> dict[str, str]:
        """The remembered results, by text; a text that is missing has none."""
        found = {text: self.get((model, scope, text)) for text in texts}
        return {text: result for text, result in found.items() if result is not None}

    def put_many(self, model: str, scope: str, results: Mapping[str, str]) -> None:
        """Remember the result of each text."""
        for text, result in results.items():
            self.put((model, scope, text), result)

    @staticmethod
    def _size(key: Key, result: str) -> int:
        return _OVERHEAD + sys.getsizeof(key[2]) + sys.getsizeof(result)
