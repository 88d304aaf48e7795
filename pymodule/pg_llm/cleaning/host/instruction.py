"""Values brought into the form that a free instruction asks for, by a language model that can only choose among words.

Options: `instruction`; `max_tokens`. The result is a run of the value's own words, so nothing is invented, whatever
the value or the instruction says; a value for which the model finds none stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pg_llm.generate.host import extraction
from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import WorkItem

# What the model is asked for, as the one property of an object.
_ASKED = "cleaned"
_SCHEMA = {"type": "object", "properties": {_ASKED: {"type": "string"}}}
_ASK = (
    "A value of a table is to be cleaned: {instruction}. Answer with a JSON object whose property cleaned is the part "
    "of the value that is asked for, or null if the value does not hold it."
)


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One value for each; a value that is longer than a prompt may be stays as it is."""
    writer = cast(GenerationEngine, model)
    ask = _ASK.format(instruction=options["instruction"].strip().rstrip("."))
    return [_work(writer, ask, text, options["max_tokens"]) for text in inputs]


def _work(writer: GenerationEngine, ask: str, text: str, max_tokens: int) -> WorkItem:
    if not text.strip() or writer.truncate(text) != text:
        return WorkItem((), lambda _: text)
    # The part that was asked for, or the value.
    return extraction.work(writer, _SCHEMA, ask, text, max_tokens, lambda found: (found and found[_ASKED]) or text)
