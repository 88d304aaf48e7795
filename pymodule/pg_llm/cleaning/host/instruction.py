"""Free instructions followed by extractive generation: a language model chooses a span of the value's own words.

Options: `instruction`; `max_tokens`. Nothing can be invented, whatever the value or the instruction contains; a value
for which the model chooses no span stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pg_llm.generate.host import extraction
from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import WorkItem

_PROPERTY = "cleaned"
_SCHEMA = {"type": "object", "properties": {_PROPERTY: {"type": "string"}}}
_PROMPT = (
    "A value of a table is to be cleaned: {instruction}. Answer with a JSON object whose property cleaned is the part "
    "of the value that is asked for, or null if the value does not hold it."
)


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One cleaned value per input; a value longer than a prompt may be stays as it is."""
    generator = cast(GenerationEngine, model)
    prompt = _PROMPT.format(instruction=options["instruction"].strip().rstrip("."))
    return [_work(generator, prompt, text, options["max_tokens"]) for text in inputs]


def _work(generator: GenerationEngine, prompt: str, text: str, max_tokens: int) -> WorkItem:
    if not text.strip() or generator.truncate(text) != text:
        return WorkItem((), lambda _: text)
    return extraction.work(
        generator, _SCHEMA, prompt, text, max_tokens, lambda answer: (answer and answer[_PROPERTY]) or text
    )
