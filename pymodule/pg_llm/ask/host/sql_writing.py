"""SQL by a generation model: samples of one prompt.

An input is a conversation, a JSON list of messages with `role` and `content`. Options: `temperatures`, one sample each;
`max_tokens` as in generation. No grammar holds the model to the names that there are: aliases of tables and columns
cannot be told from names that do not exist, and a model that is kept from them writes worse; what fails is fed back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from pg_llm.generate.host import generation
from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import WorkItem


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """A JSON list with one statement per temperature; empty texts for unfinished ones."""
    writer = cast(GenerationEngine, model)
    samplings = [
        replace(generation.sampling({**options, "temperature": temperature, "seed": seed}, None), is_sql=True)
        for seed, temperature in enumerate(options["temperatures"])
    ]
    return [
        WorkItem(
            [writer.prompt(json.loads(conversation), sampling) for sampling in samplings],
            lambda outputs: json.dumps([written or "" for written in outputs]),
        )
        for conversation in inputs
    ]
