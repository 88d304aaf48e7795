"""Single values cleaned: by libraries where one knows how, by a language model where it is sure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pg_llm import arguments
from pg_llm.cleaning import forms
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

_LONGEST_INSTRUCTION = 1000
# Tokens that a model may write for one value.
_MOST_TOKENS = 256
# A text with fewer words is no sentence, so that names and codes cost no look into a dictionary.
_SENTENCE = re.compile(r"(?<![^\W\d_])(?:[^\W\d_]++[\W\d_]++){3}[^\W\d_]")


def llm_clean(db: Connection, input: str | None, instruction: str | None, model: str | None) -> str | None:
    """A text without damage and misspellings, or in the form that the instruction asks for; NULL for NULL."""
    return _cleaned(db, [input], instruction, model)[0][1]


def llm_clean_batch(
    db: Connection, inputs: list[str | None] | None, instruction: str | None, model: str | None
) -> list[tuple[int, str | None]]:
    """Each text cleaned as llm_clean() does, with its position from 1; NULL for NULL."""
    return _cleaned(db, arguments.texts(inputs), instruction, model)


def _cleaned(
    db: Connection, inputs: Sequence[str | None], instruction: str | None, model: str | None
) -> list[tuple[int, str | None]]:
    if model is not None:
        models.find(db, model, "generation")
    texts = [text for text in inputs if text is not None]
    if instruction is None:
        found = _spelt(db, models.run_without_model(db, "cleaning", texts, instruction=None), model)
    elif forms.named(instruction):
        found = models.run_without_model(db, "cleaning", texts, instruction=instruction)
    else:
        found = _instructed(db, texts, instruction, model)
    return list(arguments.zip_with_nulls(inputs, found))


def _spelt(db: Connection, texts: Sequence[str], model: str | None) -> list[str]:
    """The texts with their misspellings put right; a model is only asked where a dictionary has doubts."""
    sentences = [text for text in dict.fromkeys(texts) if _SENTENCE.search(text)]
    doubted = [
        text
        for text, doubt in zip(sentences, models.run_without_model(db, "spelling", sentences), strict=True)
        if doubt
    ]
    if not doubted:
        return list(texts)
    right = dict(zip(doubted, models.find(db, model, "generation").run("spelling", doubted), strict=True))
    return [right.get(text, text) for text in texts]


def _instructed(db: Connection, texts: Sequence[str], instruction: str, model: str | None) -> list[str]:
    if not re.search(r"\w", instruction) or len(instruction) > _LONGEST_INSTRUCTION:
        raise InvalidInput(
            f'not an instruction that can be followed: "{instruction[:100]}"',
            hint=f"Say what is wanted in a few words. Libraries know: {', '.join(forms.EXAMPLES)}.",
        )
    writer = models.find(db, model, "generation")
    return writer.run("instruction", texts, instruction=instruction, max_tokens=_MOST_TOKENS)
