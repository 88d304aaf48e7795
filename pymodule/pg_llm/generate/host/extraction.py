"""Texts to JSON objects whose values stand in the text.

Options: `schema`, the JSON Schema of an object; `max_tokens`. Null stands for what the text does not say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from pg_llm.generate.host import generation, grounded_grammar
from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import WorkItem

_ASK = "Extract from the text the properties {names} as a JSON object. Use null for what the text does not say."


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One JSON object per text, the empty text where it was not finished; of a long text the beginning is read."""
    writer = cast(GenerationEngine, model)
    schema = options["schema"]
    ask = _ASK.format(names=grounded_grammar.described(schema))
    return [work(writer, schema, ask, writer.truncate(text), options["max_tokens"], _written) for text in inputs]


def work(
    writer: GenerationEngine, schema: Any, ask: str, text: str, max_tokens: int, finish: Callable[[Any], str]
) -> WorkItem:
    """An object of the schema asked for from the text; `finish` is given it, None where it was not finished."""
    how = {"max_tokens": max_tokens, "temperature": 0.0, "seed": 0}
    given = generation.sampling(how, grounded_grammar.nullable(schema), grounded_grammar.grammar(schema, text))
    messages = [{"role": "system", "content": ask}, {"role": "user", "content": text}]

    def found(outputs: Sequence[Any]) -> str:
        # Only what stands in the text: not every engine can be held to that while it writes.
        return finish(outputs[0] and grounded_grammar.kept(schema, grounded_grammar.read(outputs[0]), text))

    return WorkItem([writer.prompt(messages, given)], found)


def _written(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False) if found else ""
