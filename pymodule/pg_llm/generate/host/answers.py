"""One text asked of a language model as JSON, so that its end is known and nothing stands around it."""

from __future__ import annotations

import json
from typing import Any

from pg_llm.errors import TextUnfinished
from pg_llm.models.engine import GenerationEngine, Sampling, Window

_PROPERTY = "answer"
_SCHEMA = {
    "type": "object",
    "properties": {_PROPERTY: {"type": "string", "minLength": 1}},
    "required": [_PROPERTY],
    "additionalProperties": False,
}
_GRAMMAR = f"start: %json {json.dumps(_SCHEMA)}"


def ask(model: GenerationEngine, instruction: str, text: str, max_tokens: int) -> Window:
    """The prompt: what is to be done as a guideline, and the text by itself, so that it is not taken for one."""
    sampling = Sampling(max_tokens, schema=_SCHEMA, grammar=_GRAMMAR)
    system = f"{instruction} Answer with a JSON object whose property {_PROPERTY} is that text."
    return model.prompt([{"role": "system", "content": system}, {"role": "user", "content": text}], sampling)


def read(output: Any) -> str:
    """The text of an output. Raises TextUnfinished for one that was cut off or is empty."""
    answer = json.loads(output).get(_PROPERTY) if output else None
    if not isinstance(answer, str) or not answer.strip():
        raise TextUnfinished(
            "the model did not finish its answer",
            hint="A larger model may do. SET llm.on_error = 'null' gives NULL for such a text.",
        )
    return answer.strip()
