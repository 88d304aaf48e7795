"""Information extraction: texts to JSON objects whose values stand in the text.

Options: `schema`, the JSON Schema of an object; `max_tokens`. Null stands for what the text does not say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from pg_llm.generate.host import generation, grounded_grammar
from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import WorkItem

_INSTRUCTION = "Extract from the text the properties {names} as a JSON object. Use null for what the text does not say."


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One JSON object per text, the empty text where it was not finished; only the beginning of a long text is read."""
    generator = cast(GenerationEngine, model)
    schema = options["schema"]
    instruction = _INSTRUCTION.format(names=grounded_grammar.described(schema))
    return [
        work(generator, schema, instruction, generator.truncate(text), options["max_tokens"], _to_json)
        for text in inputs
    ]


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
        return finish(written and grounded_grammar.grounded(schema, grounded_grammar.parse(written), text))

    return WorkItem([generator.prompt(messages, sampling)], complete)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""
