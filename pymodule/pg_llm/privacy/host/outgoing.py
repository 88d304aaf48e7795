"""Personal data in texts that are to leave the server, found as `llm_find_personal` finds it, in one process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence

from pg_llm.classify.host import entities
from pg_llm.models.engine import Engine
from pg_llm.models.spec import ModelSpec
from pg_llm.privacy import detection, kinds, merging
from pg_llm.privacy.host import patterns
from pg_llm.privacy.merging import Entity, Found
from pg_llm.tasks import batching

# One text at a time: each uses all the processors that models may have.
_reading = threading.Lock()


class Finder:
    """Finds the kinds, by default all that tell who somebody is; `get` gives the models. Raises InvalidInput."""

    def __init__(
        self, wanted: Sequence[str] | None, specs: dict[str, ModelSpec], get: Callable[[ModelSpec], Engine]
    ) -> None:
        self._wanted = kinds.checked(wanted)
        self._specs = specs
        self._get = get

    def __call__(self, texts: Sequence[str]) -> list[list[tuple[str, int, int]]]:
        """Kind, start and end of what is found in each text, in order and without overlaps."""
        with _reading:
            return [[(kind, start, end) for kind, start, end, *_ in found] for found in self._find(texts)]

    def _find(self, texts: Sequence[str]) -> list[list[Found]]:
        searched = {*self._wanted, *kinds.DEFAULT}
        by_patterns = [list(patterns.find_all(text, searched, kinds.LANGUAGES)) for text in texts]
        by_models: list[list[Found]] = [[] for _ in texts]
        if detection.needs_models(self._wanted):
            shown = [merging.blanked(text, found) for text, found in zip(texts, by_patterns, strict=True)]
            by_models = detection.by_models(shown, self._wanted, self._read, detection.DEFAULT, has_help=True)
        return [
            merging.without_overlaps(text, [*of_patterns, *of_models], self._wanted, detection.LEAST)
            for text, of_patterns, of_models in zip(texts, by_patterns, by_models, strict=True)
        ]

    def _read(self, name: str, parts: Sequence[str]) -> list[list[Entity]]:
        model = self._get(self._specs[name])
        results = batching.run(model, entities.prepare(model, parts, {"labels": None}))
        return [[(label, start, end, score) for label, start, end, score in json.loads(each)] for each in results]
