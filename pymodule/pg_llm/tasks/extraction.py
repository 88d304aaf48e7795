"""Texts to JSON objects whose values stand in the text.

Options: `schema`, the JSON Schema of an object; `max_tokens`. Null stands for what the text does not say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import Work, _grounded, generation

_ASK = "Extract from the text the properties {names} as a JSON object. Use null for what the text does not say."


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[Work]:
    """One JSON object per text, the empty text where it was not finished; of a long text the beginning is read."""
    writer = cast(GenerationEngine, model)
    schema = options["schema"]
    ask = _ASK.format(names=_grounded.described(schema))
    works = []
    for text in inputs:
        read = writer.cut(text)
        given = generation.sampling(
            {**options, "temperature": 0.0, "seed": 0}, _grounded.nullable(schema), _grounded.grammar(schema, read)
        )
        messages = [{"role": "system", "content": ask}, {"role": "user", "content": read}]
        works.append(Work([writer.prompt(messages, given)], _Finish(schema, read)))
    return works


class _Finish:
    def __init__(self, schema: Any, text: str) -> None:
        self._schema = schema
        self._text = text

    def __call__(self, outputs: Sequence[Any]) -> str:
        """What of the object stands in the text: not every engine can be held to that while it writes."""
        if not outputs[0]:
            return ""
        return json.dumps(_grounded.kept(self._schema, _grounded.read(outputs[0]), self._text), ensure_ascii=False)
