"""SQL: single values cleaned: by libraries where one knows how, by a language model where it is sure."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.cleaning import values
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_clean(
    db: Connection, input: str | None, instruction: str | None, model: str | None, locale: str | None
) -> str | None:
    """A text without damage and misspellings, or in the form that the instruction asks for; NULL for NULL."""
    return values.clean(db, [input], instruction, model, locale)[0]


@sql_function
def llm_clean_batch(
    db: Connection, inputs: list[str | None] | None, instruction: str | None, model: str | None, locale: str | None
) -> list[tuple[int, str | None]]:
    """Each text cleaned as llm_clean() does, with its position from 1; NULL for NULL."""
    return list(enumerate(values.clean(db, arguments.texts(inputs), instruction, model, locale), 1))
