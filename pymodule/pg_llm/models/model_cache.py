"""LRU cache of loaded models under a memory limit."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from pg_llm.errors import MemoryLimitExceeded
from pg_llm.models.engine import Engine
from pg_llm.models.spec import ModelSpec

Loader = Callable[[ModelSpec], Engine]


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    model: Engine | None = None
    loaded_at: float = 0.0


class ModelCache:
    """Loaded models by spec; thread-safe, and one thread loads a model for all that ask for it."""

    def __init__(self, load: Loader, weight: Callable[[ModelSpec], int], memory_limit: int) -> None:
        self._load = load
        self._weight = weight
        self._limit = memory_limit
        self._lock = threading.Lock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()

    def get(self, spec: ModelSpec) -> Engine:
        """The model, loaded if need be. Raises what loading raises, and MemoryLimitExceeded."""
        with self._lock:
            slot = self._slots.setdefault(spec.key, _Slot())
            self._slots.move_to_end(spec.key)
        with slot.lock:
            if slot.model is None:
                try:
                    self._make_room(self._weight(spec), spec)
                    slot.model = self._load(spec)
                    slot.loaded_at = time.time()
                except BaseException:
                    self.drop(spec)
                    raise
            return slot.model

    def peek(self, spec: ModelSpec) -> Engine | None:
        """The model if it is loaded; does not count as a use."""
        slot = self._slots.get(spec.key)
        return slot.model if slot else None

    def state(self, spec: ModelSpec) -> str:
        """`loaded`, `loading` or `unloaded`."""
        slot = self._slots.get(spec.key)
        if slot is None:
            return "unloaded"
        return "loaded" if slot.model else "loading"

    def drop(self, spec: ModelSpec) -> bool:
        """Remove the model from the cache; runs that use it finish. True if it was there."""
        with self._lock:
            return self._slots.pop(spec.key, None) is not None

    def _make_room(self, needed: int, spec: ModelSpec) -> None:
        if needed > self._limit:
            raise MemoryLimitExceeded(
                f'model "{spec.name}" needs {needed >> 20} MB, and the model host may hold {self._limit >> 20} MB'
            )
        with self._lock:
            loaded = {key: slot.model.bytes for key, slot in self._slots.items() if slot.model}
            for key, size in list(loaded.items()):
                if sum(loaded.values()) + needed <= self._limit:
                    break
                if size:
                    del self._slots[key], loaded[key]
