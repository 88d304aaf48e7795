"""The task `embedding`: texts to unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pg_llm.models.engine import EmbeddingEngine, Engine
from pg_llm.tasks import WorkItem, passages

# Engines that tokenize a text in this process, and characters that they do so in a few microseconds.
_TOKENIZED_HERE = ("onnx", "static")
_BRIEF = 1000


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One vector per input; with option `role` (`query` or `document`) the model's prompt for it precedes each input.

    A text longer than the model's window is truncated to it.
    """
    prompt = cast(EmbeddingEngine, model).prompts.get(options.get("role", ""), "")
    texts = [prompt + text for text in inputs] if prompt else inputs
    return [WorkItem([window], literal) for window in passages.first_windows(model, texts)]


def is_brief(model: Engine, inputs: Sequence[str]) -> bool:
    """Whether it takes some microseconds to prepare the inputs, and to write their vectors."""
    return model.engine in _TOKENIZED_HERE and len(inputs) == 1 and len(inputs[0]) <= _BRIEF


def literal(outputs: Sequence[Any]) -> str:
    """The first vector as pgvector writes it, with the shortest decimal form of each float32."""
    import orjson

    return orjson.dumps(outputs[0], option=orjson.OPT_SERIALIZE_NUMPY).decode("ascii")
