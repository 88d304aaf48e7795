"""Values brought into the form that a free instruction asks for, by a language model that can only choose among words.

Options: `instruction`; `max_tokens`. The result is a run of the value's own words, so nothing is invented, whatever
the value or the instruction says; a value for which the model finds none stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import Work, _grounded, generation

# What the model is asked for, as the one property of an object.
_ASKED = "cleaned"
_ASK = (
    "A value of a table is to be cleaned: {instruction}. Answer with a JSON object whose property cleaned is the part "
    "of the value that is asked for, or null if the value does not hold it."
)


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[Work]:
    """One value for each; a value that is longer than a prompt may be stays as it is."""
    writer = cast(GenerationEngine, model)
    schema = {"type": "object", "properties": {_ASKED: {"type": "string"}}}
    ask = _ASK.format(instruction=options["instruction"].strip().rstrip("."))
    sampling = {"max_tokens": options["max_tokens"], "temperature": 0.0, "seed": 0}
    works = []
    for text in inputs:
        if not text.strip() or writer.cut(text) != text:
            works.append(Work((), lambda _, text=text: text))  # type: ignore[misc]
            continue
        given = generation.sampling(sampling, _grounded.nullable(schema), _grounded.grammar(schema, text))
        messages = [{"role": "system", "content": ask}, {"role": "user", "content": text}]
        works.append(Work([writer.prompt(messages, given)], _Finish(schema, text)))
    return works


class _Finish:
    def __init__(self, schema: Any, text: str) -> None:
        self._schema = schema
        self._text = text

    def __call__(self, outputs: Sequence[Any]) -> str:
        """The part that was asked for, or the value."""
        if not outputs[0]:
            return self._text
        return _grounded.kept(self._schema, _grounded.read(outputs[0]), self._text)[_ASKED] or self._text
