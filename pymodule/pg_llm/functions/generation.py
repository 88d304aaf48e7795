"""SQL: generation: texts and JSON that a language model writes."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.generate import generation, json_schema
from pg_llm.generate.generation import SamplingParameters


@sql_function
def llm_generate(
    db: Connection,
    prompt: str | None,
    model: str | None,
    max_tokens: int | None,
    temperature: float | None,
    seed: int | None,
) -> str | None:
    """The text that a language model answers a prompt with; NULL for NULL."""
    sampling = SamplingParameters.checked(max_tokens, temperature, seed)
    return generation.generate(db, [prompt], model, sampling)[0][1]


@sql_function
def llm_generate_batch(
    db: Connection,
    prompts: list[str | None] | None,
    model: str | None,
    max_tokens: int | None,
    temperature: float | None,
    seed: int | None,
) -> list[tuple[int, str | None]]:
    """The answer to each prompt with its position from 1; NULL for NULL."""
    sampling = SamplingParameters.checked(max_tokens, temperature, seed)
    return generation.generate(db, arguments.texts(prompts), model, sampling)


@sql_function
def llm_generate_json(
    db: Connection,
    prompt: str | None,
    schema: Any,
    model: str | None,
    max_tokens: int | None,
    temperature: float | None,
    seed: int | None,
) -> Any:
    """The answer to a prompt as JSON that follows a JSON Schema; NULL for NULL and for what max_tokens cut off."""
    sampling = SamplingParameters.checked(max_tokens, temperature, seed)
    return generation.generate_json(db, [prompt], json_schema.checked(schema), model, sampling)[0][1]


@sql_function
def llm_generate_json_batch(
    db: Connection,
    prompts: list[str | None] | None,
    schema: Any,
    model: str | None,
    max_tokens: int | None,
    temperature: float | None,
    seed: int | None,
) -> list[tuple[int, Any]]:
    """The answer to each prompt as JSON that follows a JSON Schema, with its position from 1; NULL for NULL."""
    sampling = SamplingParameters.checked(max_tokens, temperature, seed)
    return generation.generate_json(db, arguments.texts(prompts), json_schema.checked(schema), model, sampling)


@sql_function
def llm_extract(db: Connection, input: str | None, schema: Any, model: str | None, max_tokens: int | None) -> Any:
    """The properties that a JSON Schema asks for, as the text states them, null where it does not; NULL for NULL."""
    sampling = SamplingParameters.checked(max_tokens)
    return generation.extract(db, [input], json_schema.checked_object(schema), model, sampling)[0][1]


@sql_function
def llm_extract_batch(
    db: Connection, inputs: list[str | None] | None, schema: Any, model: str | None, max_tokens: int | None
) -> list[tuple[int, Any]]:
    """The properties that a JSON Schema asks for, from each text, with its position from 1; NULL for NULL."""
    sampling = SamplingParameters.checked(max_tokens)
    return generation.extract(db, arguments.texts(inputs), json_schema.checked_object(schema), model, sampling)
