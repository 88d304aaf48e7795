"""Spelling correction in sentences by a noisy channel (Kernighan, Church and Gale 1990) with a language model.

A dictionary gives the suspect words and the candidates for each; the model scores every candidate in its sentence. A
model without likelihoods rewrites the text instead. Without a model the result tells only whether there are suspects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from pg_llm.cleaning.host import spelling_rewriting
from pg_llm.models.dictionary import english
from pg_llm.models.engine import Engine, GenerationEngine, LikelihoodEngine, gives_likelihoods
from pg_llm.tasks import Steps, WorkItem, passages, stepwise

# Natural language has at least so many words, and this share of them in the dictionary.
_MIN_WORDS = 4
_MIN_KNOWN_SHARE = 0.6
# Length of a suspect word: the candidates grow in number and in length with it.
_MIN_LENGTH, _MAX_LENGTH = 4, 40
_MIN_SLIP_LENGTH = 7
# Suspects per text, candidates per suspect, characters of context on both sides. With 12 after the word, at half the
# cost, random misspellings were corrected as well, and those that people often make ("goverment") were not.
_MAX_SUSPECTS = 20
_MAX_CANDIDATES = 8
_CONTEXT_BEFORE, _CONTEXT_AFTER = 200, 60
# Least gain in log-likelihood for a correction. A common word (by its share of all words) needs less, as a rare one may
# just be the dictionary's nearest to a name.
_MIN_GAIN, _MIN_GAIN_OF_COMMON, _COMMON = 10.0, 7.0, 3e-6
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")

# Start and end of a word in the text, and the candidates to replace it.
Suspect = tuple[int, int, list[str]]


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One corrected text per input; without a model `yes` for a text with suspects, else the empty text."""
    if model is not None and not gives_likelihoods(model):
        return [stepwise(spelling_rewriting.correct(cast(GenerationEngine, model), text)) for text in inputs]
    return [stepwise(_correct_in_steps(model, text)) for text in inputs]


def _correct_in_steps(model: LikelihoodEngine | None, text: str) -> Steps:
    suspects: list[Suspect] = []
    for first, last in passages.ranges(text):
        in_passage = find_suspects(text[first:last])
        suspects += [(start + first, end + first, candidates) for start, end, candidates in in_passage]
        if len(suspects) >= _MAX_SUSPECTS or (suspects and model is None):
            break
        # An empty step, so that other texts are not kept waiting.
        yield ()
    if model is None:
        return "yes" if suspects else ""
    del suspects[_MAX_SUSPECTS:]
    outputs = yield [
        model.likelihood(
            text[max(0, start - _CONTEXT_BEFORE) : start],
            [word + text[end : end + _CONTEXT_AFTER] for word in (text[start:end], *candidates)],
        )
        for start, end, candidates in suspects
    ]
    return _correct(text, suspects, outputs)


def _correct(text: str, suspects: Sequence[Suspect], outputs: Sequence[Any]) -> str:
    """The text with those words replaced whose best candidate gains enough likelihood."""
    # From the end, so that the positions of the others stay right.
    for (start, end, candidates), scores in reversed(list(zip(suspects, outputs, strict=True))):
        best = int(scores[1:].argmax())
        common = english().word_usage_frequency(candidates[best]) >= _COMMON
        if scores[1 + best] - scores[0] > (_MIN_GAIN_OF_COMMON if common else _MIN_GAIN):
            text = text[:start] + candidates[best] + text[end:]
    return text


def find_suspects(text: str) -> list[Suspect]:
    """Words of a sentence that the dictionary lacks, with the known words one edit away, the most frequent first."""
    words = [(match.start(), match.end(), match[0]) for match in _WORD.finditer(text)]
    if len(words) < _MIN_WORDS:
        return []
    dictionary = english()
    known = [word.casefold() in dictionary for _, _, word in words]
    if all(known):
        return []
    # Unknown words side by side are a name, or another language, unless each is one slip from a common word.
    familiar = [each or _is_slip(word) for each, (_, _, word) in zip(known, words, strict=True)]
    if sum(familiar) / len(words) < _MIN_KNOWN_SHARE:
        return []
    suspects: list[Suspect] = []
    for position, (start, end, word) in enumerate(words):
        neighbours = familiar[max(0, position - 1) : position] + familiar[position + 1 : position + 2]
        if known[position] or not all(neighbours):
            continue
        # Names begin with a capital; codes and addresses touch digits and signs.
        adjacent = text[max(0, start - 1) : start] + text[end : end + 1]
        if not _MIN_LENGTH <= len(word) <= _MAX_LENGTH or not (word.isascii() and word.isalpha() and word.islower()):
            continue
        if re.search(r"[\w@#/\\_=&<>-]", adjacent) or len(suspects) == _MAX_SUSPECTS:
            continue
        near = dictionary.known(dictionary.edit_distance_1(word))
        candidates = sorted(near, key=lambda other: (-dictionary.word_usage_frequency(other), other))
        if candidates:
            suspects.append((start, end, candidates[:_MAX_CANDIDATES]))
    return suspects


def _is_slip(word: str) -> bool:
    """Whether a long word of small letters is one edit from a common one."""
    if not (_MIN_SLIP_LENGTH <= len(word) <= _MAX_LENGTH and word.isascii() and word.islower()):
        return False
    dictionary = english()
    near = dictionary.known(dictionary.edit_distance_1(word))
    return any(dictionary.word_usage_frequency(other) >= _COMMON for other in near)
