"""Text generation and schema-constrained JSON generation by a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput
from pg_llm.generate import json_values

_MAX_TOKENS = 32768
_MAX_TEMPERATURE = 2


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How tokens are chosen: greedily at temperature 0, else by the seed. Raises InvalidInput out of range."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0

    @classmethod
    def checked(
        cls, max_tokens: int | None, temperature: float | None = 0.0, seed: int | None = 0
    ) -> SamplingParameters:
        """The parameters as SQL gives them."""
        if max_tokens is None or not 1 <= max_tokens <= _MAX_TOKENS:
            raise InvalidInput(f"max_tokens must lie between 1 and {_MAX_TOKENS}", hint="256 tokens are about a page.")
        if temperature is None or not 0 <= temperature <= _MAX_TEMPERATURE:
            raise InvalidInput(
                f"temperature must lie between 0 and {_MAX_TEMPERATURE}", hint="0 always takes the most probable word."
            )
        return cls(max_tokens, temperature, arguments.required("seed", seed))


def generate(
    db: Connection, prompts: Sequence[str | None], model: str | None, sampling: SamplingParameters
) -> list[tuple[int, str | None]]:
    """The answer to each prompt beside its position from 1; None for NULL."""
    return _run(db, "generation", prompts, None, model, sampling)


def generate_json(
    db: Connection, prompts: Sequence[str | None], schema: Any, model: str | None, sampling: SamplingParameters
) -> list[tuple[int, Any]]:
    """The answer to each prompt as a JSON value of the schema; None for NULL and for what max_tokens cut off."""
    return _json_values(db, "generation", prompts, schema, model, sampling)


def extract(
    db: Connection, inputs: Sequence[str | None], schema: Any, model: str | None, sampling: SamplingParameters
) -> list[tuple[int, Any]]:
    """An object of the schema for each text, whose values stand in the text; None for NULL and for what was cut off."""
    return _json_values(db, "extraction", inputs, schema, model, sampling)


def _json_values(
    db: Connection,
    task: str,
    inputs: Sequence[str | None],
    schema: Any,
    model: str | None,
    sampling: SamplingParameters,
) -> list[tuple[int, Any]]:
    written = _run(db, task, inputs, schema, model, sampling)
    unfinished = sum(text == "" for _, text in written)
    if unfinished:
        db.warning(
            f"{unfinished} of {len(written)} JSON values were not finished within {sampling.max_tokens} tokens",
            hint="They are NULL. Raise max_tokens, or limit texts and lists in the schema by maxLength, maxItems.",
        )
    return [(position, json_values.parse(text) if text else None) for position, text in written]


def _run(
    db: Connection,
    task: str,
    inputs: Sequence[str | None],
    schema: Any,
    model: str | None,
    sampling: SamplingParameters,
) -> list[tuple[int, str | None]]:
    generator = models.find(db, model, "generation")
    return list(enumerate(generator.run_rows(task, inputs, **asdict(sampling), schema=schema), 1))
