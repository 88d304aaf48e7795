"""Rewriting a text part by part: translation, and correction of grammar.

Options: `instruction`, what is done with each part; `keep`, whether a part stays as it is if most of its words would
change. Space between parts stays.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, cast

from pg_llm.generate.host import answers
from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import Steps, WorkItem, passages, stepwise

# Characters of a part, which a model rewrites without losing its thread, and parts that are rewritten at once.
_PART = 3000
_PARTS = 8
# Tokens beside one for each character.
_EXTRA_TOKENS = 256
# Share of words that a correction has in common with the text.
_LEAST_ALIKE = 0.5


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One rewritten text per input."""
    return [stepwise(_rewrite(cast(GenerationEngine, model), text, options)) for text in inputs]


def _rewrite(model: GenerationEngine, text: str, options: dict[str, Any]) -> Steps:
    parts = [text[start:end] for start, end in passages.ranges(text, _PART)]
    rewritten: list[str] = []
    for start in range(0, len(parts), _PARTS):
        group = parts[start : start + _PARTS]
        asked = [part.strip() for part in group]
        windows = [
            answers.ask(model, options["instruction"], part, len(part) + _EXTRA_TOKENS) for part in asked if part
        ]
        outputs = iter((yield windows))
        for whole, part in zip(group, asked, strict=True):
            answer = answers.read(next(outputs)) if part else part
            kept = options["keep"] and not _alike(part, answer)
            rewritten.append(whole.replace(part, answer, 1) if part and not kept else whole)
    return "".join(rewritten)


def _alike(one: str, other: str) -> bool:
    """Whether a correction is one of this text, rather than another text."""
    words = difflib.SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio()
    # Texts without spaces, and those of a few words, are compared by their characters.
    return words >= _LEAST_ALIKE or difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() > _LEAST_ALIKE
