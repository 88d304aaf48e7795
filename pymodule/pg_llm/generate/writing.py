"""Texts that a language model writes of others: summaries, translations and corrections of grammar."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

_MAX_WORDS = 2000
_MAX_LANGUAGE = 100
_TRANSLATION = "Translate the text that the user sends{source} into {target}. Keep names, numbers and line breaks."
_GRAMMAR = (
    "Correct grammar, spelling and punctuation of the text that the user sends, in its language. Change no more than"
    " that, and nothing of its meaning. A text without mistakes stays as it is."
)


def summarize(
    db: Connection, inputs: Sequence[str | None], instruction: str | None, max_words: int | None, model: str | None
) -> list[str | None]:
    """The summary of each text; None for NULL. A blank text stays as it is."""
    if max_words is not None and not 1 <= max_words <= _MAX_WORDS:
        raise InvalidInput(f"max_words must lie between 1 and {_MAX_WORDS}", hint="NULL means a few sentences.")
    return _write(db, "summarization", inputs, model, instruction=instruction, max_words=max_words)


def translate(
    db: Connection, inputs: Sequence[str | None], target: str | None, source: str | None, model: str | None
) -> list[str | None]:
    """Each text in another language; None for NULL. A blank text stays as it is."""
    if target is None:
        raise InvalidInput("target_language must not be NULL", hint="Write target_language => 'French'.")
    into, of = _language("target_language", target), source and _language("source_language", source)
    instruction = _TRANSLATION.format(target=into, source=f" from {of}" if of else "")
    return _write(db, "rewriting", inputs, model, instruction=instruction, keep=False)


def fix_grammar(db: Connection, inputs: Sequence[str | None], model: str | None) -> list[str | None]:
    """Each text without mistakes of grammar; None for NULL. A text that came back as another one stays as it is."""
    return _write(db, "rewriting", inputs, model, instruction=_GRAMMAR, keep=True)


def _language(argument: str, name: str) -> str:
    if not any(map(str.isalpha, name)) or len(name) > _MAX_LANGUAGE or "\n" in name:
        raise InvalidInput(f'not a language: "{name[:50]}"', hint=f"Write {argument} => 'French'.")
    return name.strip()


def _write(
    db: Connection, task: str, inputs: Sequence[str | None], model: str | None, **options: object
) -> list[str | None]:
    writer = models.find(db, model, "generation")
    asked = [text if text and not text.isspace() else None for text in inputs]
    written = writer.run_rows(task, asked, **options)
    return [
        text if text is not None and of is None else result
        for text, of, result in zip(inputs, asked, written, strict=True)
    ]
