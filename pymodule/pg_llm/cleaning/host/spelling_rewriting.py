"""Spelling correction by a language model that rewrites a text: of its changes those of misspelled words are kept.

A word may change if the dictionary lacks it and it is no name, into one that the dictionary has and that is like it.
"""

from __future__ import annotations

import difflib
import re

from pg_llm.errors import TextUnfinished
from pg_llm.generate.host import answers
from pg_llm.models.dictionary import english
from pg_llm.models.engine import GenerationEngine
from pg_llm.tasks import Steps, passages

_INSTRUCTION = (
    "Correct the misspelled words of the text that the user sends. Change nothing else: no other word, no name, no"
    " number, no punctuation."
)
# Characters of a part that is rewritten at once, and tokens beside one for each of them.
_PART, _EXTRA_TOKENS = 2000, 256
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
# Digits and signs beside a word make a code or an address of it.
_BESIDE = re.compile(r"[\w@#/\\_=&<>-]")
_MIN_LENGTH, _MAX_LENGTH = 4, 40
# Least share of characters that a word and its correction have in common, in their order.
_LEAST_ALIKE = 0.7


def correct(model: GenerationEngine, text: str) -> Steps:
    """The corrected text; a part that comes back unfinished, or as another text, stays as it is."""
    parts = [text[start:end] for start, end in passages.ranges(text, _PART)]
    for number, part in enumerate(parts):
        if any(is_misspelled(part, *match.span()) for match in _WORD.finditer(part)):
            (output,) = yield [answers.ask(model, _INSTRUCTION, part.strip(), len(part) + _EXTRA_TOKENS)]
            try:
                parts[number] = accepted(part, answers.read(output))
            except TextUnfinished:
                continue
    return "".join(parts)


def accepted(text: str, rewritten: str) -> str:
    """The text with those of the changes that correct a misspelled word."""
    places = [match.span() for match in _WORD.finditer(text)]
    words = [text[start:end] for start, end in places]
    others = _WORD.findall(rewritten)
    changes: list[tuple[int, int, str]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
        if kind != "replace" or b - a != d - c:
            continue
        changes += [
            (*place, other)
            for place, word, other in zip(places[a:b], words[a:b], others[c:d], strict=True)
            if is_misspelled(text, *place)
            and other.casefold() in english()
            and difflib.SequenceMatcher(None, word, other.casefold(), autojunk=False).ratio() >= _LEAST_ALIKE
        ]
    # From the end, so that the positions of the others stay right.
    for start, end, other in reversed(changes):
        text = text[:start] + other + text[end:]
    return text


def is_misspelled(text: str, start: int, end: int) -> bool:
    """Whether a word is one of small letters that the dictionary lacks."""
    word = text[start:end]
    return (
        _MIN_LENGTH <= len(word) <= _MAX_LENGTH
        and word.isascii()
        and word.isalpha()
        and word.islower()
        and not _BESIDE.search(text[max(0, start - 1) : start] + text[end : end + 1])
        and word not in english()
    )
