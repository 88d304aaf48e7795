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
    """The sampling that the options describe."""
    return Sampling(options["max_tokens"], options["temperature"], options["seed"], schema, grammar)
