"""Misspellings in sentences put right, where a language model finds the right word far likelier.

A dictionary says which words may be wrong and what they may have been; the model judges each in its sentence.
Without a model the result says only whether there is anything to judge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pg_llm.models.engine import Engine
from pg_llm.tasks import Steps, WorkItem, passages, stepwise

if TYPE_CHECKING:
    from pg_llm.models.causal import CausalModel

# Natural language: at least so many words, and so large a share of them in the dictionary.
_FEWEST_WORDS = 4
_KNOWN = 0.6
# Letters of a word that may be misspelt: the candidates for one are as many as it has letters, and as long.
_SHORTEST, _LONGEST = 4, 40
# Words of a text that are judged at most, candidates for each, characters read on both sides.
_MOST_SUSPECTS = 20
_MOST_CANDIDATES = 8
_BEFORE, _AFTER = 200, 60
# How much more likely, as a natural logarithm, the text must be with the other word: a rare one may well be a
# dictionary's nearest to a name, a common one (by its share of all words) is hardly.
_SURE, _SURE_OF_COMMON, _COMMON = 10.0, 7.0, 3e-6
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")

Suspect = tuple[int, int, list[str]]


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One text for each; without a model `yes` where one could change it, else the empty text."""
    return [stepwise(_read(cast("CausalModel | None", model), text)) for text in inputs]


def _read(judge: CausalModel | None, text: str) -> Steps:
    found: list[Suspect] = []
    for first, last in passages.ranges(text):
        here = suspects(text[first:last])
        found += [(start + first, end + first, others) for start, end, others in here]
        if len(found) >= _MOST_SUSPECTS or (found and judge is None):
            break
        # Other texts have their turn.
        yield ()
    if judge is None:
        return "yes" if found else ""
    del found[_MOST_SUSPECTS:]
    outputs = yield [
        judge.likelihood(
            text[max(0, start - _BEFORE) : start],
            [word + text[end : end + _AFTER] for word in (text[start:end], *others)],
        )
        for start, end, others in found
    ]
    return _corrected(text, found, outputs)


def _corrected(text: str, found: Sequence[Suspect], outputs: Sequence[Any]) -> str:
    """The text with each word replaced that the model is sure of."""
    for (start, end, others), scores in reversed(list(zip(found, outputs, strict=True))):
        best = int(scores[1:].argmax())
        common = _dictionary().word_usage_frequency(others[best]) >= _COMMON
        if scores[1 + best] - scores[0] > (_SURE_OF_COMMON if common else _SURE):
            text = text[:start] + others[best] + text[end:]
    return text


def suspects(text: str) -> list[Suspect]:
    """Words that no dictionary has, each with its place and the words that one slip away from it are common ones."""
    words = [(match.start(), match.end(), match[0]) for match in _WORD.finditer(text)]
    if len(words) < _FEWEST_WORDS:
        return []
    dictionary = _dictionary()
    known = [word.casefold() in dictionary for _, _, word in words]
    if all(known) or sum(known) / len(words) < _KNOWN:
        return []
    found: list[Suspect] = []
    for place, (start, end, word) in enumerate(words):
        # Unknown words side by side are a name, or another language.
        if known[place] or not all(known[max(0, place - 1) : place] + known[place + 1 : place + 2]):
            continue
        # Names begin with a capital, codes and addresses touch digits and signs.
        beside = text[max(0, start - 1) : start] + text[end : end + 1]
        if not _SHORTEST <= len(word) <= _LONGEST or not (word.isascii() and word.isalpha() and word.islower()):
            continue
        if re.search(r"[\w@#/\\_=&<>-]", beside) or len(found) == _MOST_SUSPECTS:
            continue
        common = dictionary.known(dictionary.edit_distance_1(word))
        others = sorted(common, key=lambda other: (-dictionary.word_usage_frequency(other), other))
        if others:
            found.append((start, end, others[:_MOST_CANDIDATES]))
    return found


@cache
def _dictionary() -> Any:
    from spellchecker import SpellChecker

    return SpellChecker(language="en")
