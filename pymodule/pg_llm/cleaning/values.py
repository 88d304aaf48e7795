"""Cleaning of single values: by libraries for damage and standard forms, by a language model for other instructions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pg_llm.cleaning import forms
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

_MAX_INSTRUCTION = 1000
# Tokens that a model may generate for one value.
_MAX_TOKENS = 256
# Texts with fewer words are names and codes: they are not spell-checked.
_SENTENCE = re.compile(r"(?<![^\W\d_])(?:[^\W\d_]++[\W\d_]++){3}[^\W\d_]")


def clean(db: Connection, texts: Sequence[str], instruction: str | None, model: str | None) -> list[str]:
    """The texts repaired and spell-corrected, or in the form that the instruction asks for.

    A model is used only where libraries do not suffice.
    """
    if model is not None:
        models.find(db, model, "generation")
    if instruction is None:
        repaired = models.run_without_model(db, "cleaning", texts, instruction=None)
        return _correct_spelling(db, repaired, model)
    if forms.find(instruction):
        return models.run_without_model(db, "cleaning", texts, instruction=instruction)
    return _follow_instruction(db, texts, instruction, model)


def _correct_spelling(db: Connection, texts: Sequence[str], model: str | None) -> list[str]:
    """The texts spell-corrected; the model reads only those in which a dictionary suspects a word."""
    sentences = [text for text in dict.fromkeys(texts) if _SENTENCE.search(text)]
    suspects = [
        text
        for text, suspected in zip(sentences, models.run_without_model(db, "spelling", sentences), strict=True)
        if suspected
    ]
    if not suspects:
        return list(texts)
    corrected = dict(zip(suspects, models.find(db, model, "generation").run("spelling", suspects), strict=True))
    return [corrected.get(text, text) for text in texts]


def _follow_instruction(db: Connection, texts: Sequence[str], instruction: str, model: str | None) -> list[str]:
    if not re.search(r"\w", instruction) or len(instruction) > _MAX_INSTRUCTION:
        raise InvalidInput(
            f'not an instruction that can be followed: "{instruction[:100]}"',
            hint=f"Say what is wanted in a few words. Libraries know: {', '.join(forms.EXAMPLES)}.",
        )
    generator = models.find(db, model, "generation")
    return generator.run("instruction", texts, instruction=instruction, max_tokens=_MAX_TOKENS)
