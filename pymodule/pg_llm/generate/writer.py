"""Generation: texts and JSON that a language model writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pg_llm import arguments
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

_MOST_TOKENS = 32768
_HOTTEST = 2
_LONGEST_SCHEMA = 65536
_DEEPEST_SCHEMA = 32
_SCHEMA_HINT = """Write schema => '{"type": "object", "properties": {"name": {"type": "string"}}}'."""
# Digits before or after the point that PostgreSQL's numeric holds.
_MOST_DIGITS = 16000


def llm_generate(
    db: Connection,
    prompt: str | None,
    model: str | None,
    max_tokens: int | None,
    temperature: float | None,
    seed: int | None,
) -> str | None:
    """The text that a language model answers a prompt with; NULL for NULL."""
    return _Writer(db, model, max_tokens, temperature, seed).texts([prompt])[0][1]


def llm_generate_batch(
    db: Connection,
    prompts: list[str | None] | None,
    model: str | None,
    max_tokens: int | None,
    temperature: float | None,
    seed: int | None,
) -> list[tuple[int, str | None]]:
    """The answer to each prompt with its position from 1; NULL for NULL."""
    return _Writer(db, model, max_tokens, temperature, seed).texts(arguments.texts(prompts))


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
    return _Writer(db, model, max_tokens, temperature, seed).objects("generation", [prompt], schema)[0][1]


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
    writer = _Writer(db, model, max_tokens, temperature, seed)
    return writer.objects("generation", arguments.texts(prompts), schema)


def llm_extract(db: Connection, input: str | None, schema: Any, model: str | None, max_tokens: int | None) -> Any:
    """The properties that a JSON Schema asks for, as the text states them, null where it does not; NULL for NULL."""
    return _Writer(db, model, max_tokens).objects("extraction", [input], _object(schema))[0][1]


def llm_extract_batch(
    db: Connection, inputs: list[str | None] | None, schema: Any, model: str | None, max_tokens: int | None
) -> list[tuple[int, Any]]:
    """The properties that a JSON Schema asks for, from each text, with its position from 1; NULL for NULL."""
    return _Writer(db, model, max_tokens).objects("extraction", arguments.texts(inputs), _object(schema))


class _Writer:
    """A generation model and how it is to write."""

    def __init__(
        self,
        db: Connection,
        name: str | None,
        max_tokens: int | None,
        temperature: float | None = 0.0,
        seed: int | None = 0,
    ) -> None:
        self._db = db
        if max_tokens is None or not 1 <= max_tokens <= _MOST_TOKENS:
            raise InvalidInput(f"max_tokens must lie between 1 and {_MOST_TOKENS}", hint="256 tokens are about a page.")
        if temperature is None or not 0 <= temperature <= _HOTTEST:
            raise InvalidInput(
                f"temperature must lie between 0 and {_HOTTEST}", hint="0 always takes the most probable word."
            )
        self._model = models.find(db, name, "generation")
        self._options = {"max_tokens": max_tokens, "temperature": temperature, "seed": arguments.required("seed", seed)}

    def texts(self, prompts: Sequence[str | None]) -> list[tuple[int, str | None]]:
        """The answer to each prompt with its position from 1."""
        return self._written("generation", prompts, None)

    def objects(self, task: str, inputs: Sequence[str | None], schema: Any) -> list[tuple[int, Any]]:
        """The JSON value for each input with its position from 1."""
        written = self._written(task, inputs, _schema(schema))
        cut = sum(text == "" for _, text in written)
        if cut:
            self._db.warning(
                f"{cut} of {len(written)} JSON values were not finished within {self._options['max_tokens']} tokens",
                hint="They are NULL. Raise max_tokens, or limit texts and lists in the schema by maxLength, maxItems.",
            )
        return [(position, _value(text) if text else None) for position, text in written]

    def _written(self, task: str, inputs: Sequence[str | None], schema: Any) -> list[tuple[int, str | None]]:
        given = [text for text in inputs if text is not None]
        return list(arguments.zip_with_nulls(inputs, self._model.run(task, given, **self._options, schema=schema)))


def _schema(given: Any) -> Any:
    if not isinstance(given, dict):
        raise InvalidInput("schema must be a JSON Schema, an object", hint=_SCHEMA_HINT)
    found = arguments.plain_json(given)
    if len(json.dumps(found)) > _LONGEST_SCHEMA or _depth(found) > _DEEPEST_SCHEMA:
        raise InvalidInput(
            f"schema is too large: at most {_LONGEST_SCHEMA} characters and {_DEEPEST_SCHEMA} levels are read",
            hint="Ask for less at a time.",
        )
    return found


def _object(given: Any) -> Any:
    """The schema of an object whose properties it names."""
    its = given.get("properties") if isinstance(given, dict) else None
    if not isinstance(its, dict) or not its or given.get("type", "object") != "object":
        raise InvalidInput("schema must name the properties of an object", hint=_SCHEMA_HINT)
    return {**given, "type": "object"}


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
    return depth


def _value(text: str) -> Any:
    """What a JSON text says, without what jsonb cannot hold: NUL characters, half pairs, numbers beyond numeric."""
    return _storable(json.loads(text, parse_float=_number, parse_int=_number))


def _number(text: str) -> Decimal | None:
    found = Decimal(text)
    return found if found.is_finite() and abs(found.adjusted()) + len(text) < _MOST_DIGITS else None


def _storable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_storable(name): _storable(its) for name, its in value.items()}
    if isinstance(value, list):
        return [_storable(its) for its in value]
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return value
