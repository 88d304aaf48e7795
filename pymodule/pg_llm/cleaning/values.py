"""Cleaning of single values: by libraries for damage and standard forms, by a language model for other instructions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pg_llm import arguments
from pg_llm.cleaning import forms
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

_MAX_INSTRUCTION = 1000
# Tokens that a model may generate for one value.
_MAX_TOKENS = 256
_told: set[str] = set()
_MOST_TOLD = 100
# Texts with fewer words are names and codes: they are not spell-checked.
_SENTENCE = re.compile(r"(?<![^\W\d_])(?:[^\W\d_]++[\W\d_]++){3}[^\W\d_]")


def clean(
    db: Connection,
    inputs: Sequence[str | None],
    instruction: str | None,
    model: str | None,
    locale: str | None = None,
) -> list[str | None]:
    """The texts repaired and spell-corrected, or in the form that the instruction asks for; None for NULL.

    A model is used only where libraries do not suffice. `locale` says how numbers and dates are written.
    """
    if model is not None:
        models.find(db, model, "generation")
    if instruction is not None and not forms.find(instruction):
        return _follow_instruction(db, inputs, instruction, model)
    texts = [text for text in inputs if text is not None]
    repaired = models.run_without_model(db, "cleaning", texts, instruction=instruction, locale=locale or None)
    rows = [text for _, text in arguments.zip_with_nulls(inputs, repaired)]
    if instruction is not None and forms.makes_null(instruction):
        return [text or None for text in rows]
    return _correct_spelling(db, rows, model) if instruction is None else rows


def _correct_spelling(db: Connection, rows: Sequence[str | None], model: str | None) -> list[str | None]:
    """The texts spell-corrected; the model reads only those in which a dictionary suspects a word."""
    sentences = [text for text in dict.fromkeys(rows) if text is not None and _SENTENCE.search(text)]
    found = zip(sentences, models.run_without_model(db, "spelling", sentences), strict=True)
    suspects = {text for text, suspected in found if suspected}
    if not suspects:
        return list(rows)
    asked = [text if text in suspects else None for text in rows]
    corrected = models.find(db, model, "generation").run_rows("spelling", asked)
    return [text if of is None else result for text, of, result in zip(rows, asked, corrected, strict=True)]


def _follow_instruction(
    db: Connection, inputs: Sequence[str | None], instruction: str, model: str | None
) -> list[str | None]:
    if not re.search(r"\w", instruction) or len(instruction) > _MAX_INSTRUCTION:
        raise InvalidInput(
            f'not an instruction that can be followed: "{instruction[:100]}"',
            hint=f"Say what is wanted in a few words. Libraries know: {', '.join(forms.EXAMPLES)}.",
        )
    generator = models.find_chosen(db, model, "generation")
    if generator is None:
        _tell_once(db, instruction)
        return list(inputs)
    return generator.run_rows("instruction", inputs, instruction=instruction, max_tokens=_MAX_TOKENS)


def _tell_once(db: Connection, instruction: str) -> None:
    """A notice for each instruction of a session: a query calls this once a row."""
    if instruction not in _told and len(_told) < _MOST_TOLD:
        _told.add(instruction)
        db.notice(
            f'no library follows the instruction "{instruction[:100]}", and the default model is too small to be'
            " trusted with it: values stay as they are",
            hint=f"Name a model, or set llm.generation_model. Libraries know: {', '.join(forms.EXAMPLES)}.",
        )
