"""Information extraction: texts to JSON objects whose values stand in the text.

Options: `schema`, the JSON Schema of an object; `max_tokens`. Null is what the text does not say. A long text is
read in parts that a prompt holds: the first part that tells a property counts, and lists hold the items of all parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from pg_llm import tasks
from pg_llm.generate.host import generation, grounded_grammar
from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import Steps, WorkItem, passages, stepwise

_INSTRUCTION = "Extract from the text the properties {names} as a JSON object. Use null for what the text does not say."


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One JSON object per text, the empty text where it was not finished."""
    generator = cast(GenerationEngine, model)
    instruction = _INSTRUCTION.format(names=grounded_grammar.described(options["schema"]))
    return [stepwise(_extract(generator, text, instruction, options)) for text in inputs]


def _extract(generator: GenerationEngine, text: str, instruction: str, options: dict[str, Any]) -> Steps:
    schema, found = options["schema"], None
    for parts in passages.prompt_parts(generator, text):
        works = [
            work(generator, schema, instruction, text[start:end], options["max_tokens"], _to_json)
            for start, end in parts
        ]
        # Each has one window.
        outputs = yield tasks.windows(works)
        for each, output in zip(works, outputs, strict=True):
            written = str(each.finish([output]))
            if not written:
                return ""
            found = _merged(schema, found, json.loads(written))
    return _to_json(found)


def _merged(schema: Any, one: Any, other: Any) -> Any:
    """What two parts of a text tell together."""
    if one is None or other is None:
        return other if one is None else one
    of = schema if isinstance(schema, dict) else {}
    if isinstance(one, dict) and isinstance(other, dict):
        inner = of.get("properties", {})
        return {name: _merged(inner.get(name), one.get(name), other.get(name)) for name in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        items = [*one, *(item for item in other if item not in one)]
        most = of.get("maxItems")
        return items[:most] if isinstance(most, int) else items
    return one


def work(
    generator: GenerationEngine, schema: Any, instruction: str, text: str, max_tokens: int, finish: Callable[[Any], str]
) -> WorkItem:
    """The extraction of one object; `finish` gets the object, or None where it was not finished."""
    greedy = {"max_tokens": max_tokens, "temperature": 0.0, "seed": 0}
    sampling = generation.sampling(greedy, grounded_grammar.nullable(schema), grounded_grammar.grammar(schema, text))
    messages = [{"role": "system", "content": instruction}, {"role": "user", "content": text}]

    def complete(outputs: Sequence[Any]) -> str:
        # Checked again, as an endpoint follows the schema but not the grammar of the text.
        written = outputs[0]
        return finish(grounded_grammar.grounded(schema, grounded_grammar.parse(written), text) if written else None)

    return WorkItem([generator.prompt(messages, sampling)], complete)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""
