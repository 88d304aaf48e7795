"""Cache of values that depend on a model and options, such as label vectors."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pg_llm.models.engine import Engine

_MAX_VALUES = 64


class ModelScopedCache:
    """The values of each model; they are dropped with the model."""

    def __init__(self) -> None:
        self._values: weakref.WeakKeyDictionary[Engine, OrderedDict[str, Any]] = weakref.WeakKeyDictionary()

    def get(self, model: Engine, options: object, compute: Callable[[], Any]) -> Any:
        """The value for these options, computed if it is missing."""
        values = self._values.setdefault(model, OrderedDict())
        key = repr(options)
        value = values.get(key)
        if value is None:
            value = values[key] = compute()
            while len(values) > _MAX_VALUES:
                values.popitem(last=False)
        return value
