"""Texts to unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.models.engine import EmbeddingEngine, Encoded


def prepare(model: EmbeddingEngine, inputs: Sequence[str], options: dict[str, Any]) -> list[Encoded]:
    """Tokenise; for option `role` (`query` or `document`) the model's prompt for that role goes before each input."""
    prompt = model.prompts.get(options.get("role", ""), "")
    return model.encode([prompt + text for text in inputs] if prompt else inputs)


def run(model: EmbeddingEngine, batch: Sequence[Encoded]) -> list[str]:
    """A pgvector literal for each text, shortest decimal form of each float32."""
    import orjson

    return [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY).decode("ascii") for row in model.forward(batch)]


def describe(model: EmbeddingEngine) -> dict[str, Any]:
    """The vectors' length."""
    return {"dimensions": model.dimensions}
