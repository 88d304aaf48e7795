"""SQL: texts that a language model writes of others: summaries, translations, corrections of grammar."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.generate import writing


@sql_function
def llm_summarize(
    db: Connection, input: str | None, instruction: str | None, max_words: int | None, model: str | None
) -> str | None:
    """What a text tells, in a few sentences or in at most so many words; NULL for NULL."""
    return writing.summarize(db, [input], arguments.instruction(instruction), max_words, model)[0]


@sql_function
def llm_summarize_batch(
    db: Connection,
    inputs: list[str | None] | None,
    instruction: str | None,
    max_words: int | None,
    model: str | None,
) -> list[tuple[int, str | None]]:
    """The summary of each text with its position from 1; NULL for NULL."""
    texts = arguments.texts(inputs)
    return list(enumerate(writing.summarize(db, texts, arguments.instruction(instruction), max_words, model), 1))


@sql_function
def llm_translate(
    db: Connection, input: str | None, target_language: str | None, source_language: str | None, model: str | None
) -> str | None:
    """A text in another language; NULL for NULL."""
    return writing.translate(db, [input], target_language, source_language, model)[0]


@sql_function
def llm_translate_batch(
    db: Connection,
    inputs: list[str | None] | None,
    target_language: str | None,
    source_language: str | None,
    model: str | None,
) -> list[tuple[int, str | None]]:
    """Each text in another language, with its position from 1; NULL for NULL."""
    texts = arguments.texts(inputs)
    return list(enumerate(writing.translate(db, texts, target_language, source_language, model), 1))


@sql_function
def llm_fix_grammar(db: Connection, input: str | None, model: str | None) -> str | None:
    """A text without mistakes of grammar, spelling and punctuation; NULL for NULL."""
    return writing.fix_grammar(db, [input], model)[0]


@sql_function
def llm_fix_grammar_batch(
    db: Connection, inputs: list[str | None] | None, model: str | None
) -> list[tuple[int, str | None]]:
    """Each text without mistakes of grammar, with its position from 1; NULL for NULL."""
    return list(enumerate(writing.fix_grammar(db, arguments.texts(inputs), model), 1))
