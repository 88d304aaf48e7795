"""LRU cache of results (memoisation): tasks are pure functions of model, options and text."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

Key = tuple[str, str, str]

# Bytes of an entry beside its texts: key, pointers, string headers.
_OVERHEAD = 400
# Larger entries are not cached: long texts are seldom processed twice.
_MAX_ENTRY_BYTES = 1 << 18


def key(*parts: Any) -> str:
    """A key for any values that JSON can hold."""
    return json.dumps(parts, sort_keys=True)


def scope(task: str, options: dict[str, Any]) -> str:
    """Task and options as a digest, as lists of labels are long."""
    return hashlib.sha256(key(task, options).encode()).hexdigest()


def size(text: str, result: str) -> int:
    """Bytes that the result of a text takes in a cache."""
    return _OVERHEAD + sys.getsizeof(text) + sys.getsizeof(result)


class ResultCache:
    """Evicts the least recently used results once `limit` bytes are held."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._results: OrderedDict[Key, str] = OrderedDict()

    def get(self, key: Key) -> str | None:
        """The cached result, or None."""
        result = self._results.get(key)
        if result is not None:
            self._results.move_to_end(key)
        return result

    def put(self, key: Key, result: str) -> None:
        """Cache a result, unless it is so large that it would evict many others."""
        added = size(key[2], result)
        if added > min(self._limit, _MAX_ENTRY_BYTES) or key in self._results:
            return
        self._results[key] = result
        self._bytes += added
        while self._bytes > self._limit:
            old_key, evicted = self._results.popitem(last=False)
            self._bytes -= size(old_key[2], evicted)

    def get_many(self, model: str, scope: str, texts: Iterable[str]) -> dict[str, str]:
        """The cached results by text."""
        results = {text: self.get((model, scope, text)) for text in texts}
        return {text: result for text, result in results.items() if result is not None}

    def put_many(self, model: str, scope: str, results: Mapping[str, str]) -> None:
        """Cache the result of each text."""
        for text, result in results.items():
            self.put((model, scope, text), result)

    def forget(self, texts: Iterable[str]) -> None:
        """Drop the results whose text or result holds one of these, in whatever case."""
        sought = [text.casefold() for text in texts if text]
        for key, result in list(self._results.items()):
            read = f"{key[2]}\0{result}".casefold()
            if any(text in read for text in sought):
                del self._results[key]
                self._bytes -= size(key[2], result)
