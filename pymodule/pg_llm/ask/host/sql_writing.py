"""SQL by a generation model: the next turn of a conversation.

An input is a conversation, a JSON list of messages with `role` and `content`. Options are those of generation: the
temperature and the seed of a sample, `max_tokens`. No grammar holds the model to the names that there are: aliases of
tables and columns cannot be told from names that do not exist, and a model that is kept from them writes worse; what
fails is fed back.
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
    """A text with a statement for each conversation; an empty one for what was not finished."""
    writer = cast(GenerationEngine, model)
    sampling = replace(generation.sampling(options, None), is_sql=True)
    return [
        WorkItem([writer.prompt(json.loads(conversation), sampling)], lambda outputs: outputs[0] or "")
        for conversation in inputs
    ]
