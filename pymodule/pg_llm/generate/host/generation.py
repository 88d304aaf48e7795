"""Prompts to texts that a generation model writes.

Options: `max_tokens`, at most so many are written; `temperature`, 0 for always the most probable token; `seed`;
`schema`, a JSON Schema that the text follows, or null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pg_llm.models.engine import Engine, GenerationEngine, Sampling
from pg_llm.tasks import WorkItem


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One text per prompt; of one that follows a schema and was not finished, the empty text."""
    writer = cast(GenerationEngine, model)
    given = sampling(options, options["schema"])
    return [
        WorkItem([writer.prompt([{"role": "user", "content": prompt}], given)], lambda outputs: outputs[0] or "")
        for prompt in inputs
    ]


def sampling(options: dict[str, Any], schema: Any, grammar: str | None = None) -> Sampling:
    """How to write, from the options; a schema without a grammar has its own."""
    if schema is not None and grammar is None:
        from pg_llm.models import grammars

        grammar = grammars.of_schema(schema)
    return Sampling(options["max_tokens"], options["temperature"], options["seed"], schema, grammar)
