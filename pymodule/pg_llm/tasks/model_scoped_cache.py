"""What is computed once for a model and some options, and kept for the next calls."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pg_llm.models.engine import Engine

_MOST = 64


class ModelScopedCache:
    """The last values of each model; they go when the model goes."""

    def __init__(self) -> None:
        self._values: weakref.WeakKeyDictionary[Engine, OrderedDict[str, Any]] = weakref.WeakKeyDictionary()

    def get(self, model: Engine, options: object, compute: Callable[[], Any]) -> Any:
        """The value for these options, computed if it is not there."""
        values = self._values.setdefault(model, OrderedDict())
        key = repr(options)
        found = values.get(key)
        if found is None:
            found = values[key] = compute()
            while len(values) > _MOST:
                values.popitem(last=False)
        return found
