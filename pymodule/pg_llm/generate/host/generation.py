"""Text generation: prompts to what a generation model answers.

Options: `max_tokens`, the limit of an answer; `temperature`, 0 for always the most probable token; `seed`; `schema`,
a JSON Schema that the answer follows, or null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pg_llm.models.engine import Engine, GenerationEngine, Sampling
from pg_llm.tasks import WorkItem


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One answer per prompt; the empty text for one that should follow a schema and was not finished."""
    generator = cast(GenerationEngine, model)
    how = sampling(options, options["schema"])
    return [
        WorkItem([generator.prompt([{"role": "user", "content": prompt}], how)], lambda outputs: outputs[0] or "")
        for prompt in inputs
    ]


def sampling(options: dict[str, Any], schema: Any, grammar: str | None = None) -> Sampling:
    """The sampling that the options describe; a schema without a grammar gets the grammar of all its JSON texts."""
    if schema is not None and grammar is None:
        from pg_llm.models import grammars

        grammar = grammars.from_json_schema(schema)
    return Sampling(options["max_tokens"], options["temperature"], options["seed"], schema, grammar)
