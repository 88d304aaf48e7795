"""The task `support`: whether a passage supports a sentence; inputs are JSON arrays [passage, sentence].

A model of natural-language inference says how probably the passage entails the sentence (Honovich and others 2022). By
an embedding model and rules, every number and name of the sentence must stand in the passage, in the same order, and
one place of the passage must say its words, negated or not as the sentence is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine
from pg_llm.search.host import question, sentences
from pg_llm.stemming import stem
from pg_llm.tasks import Steps, WorkItem, passages, probability, stepwise

# Shares of the words, and the cosine, from which one place says what the sentence says.
_LEAST_WORDS, _LEAST_COSINE = 0.7, 0.6
# A Chinese text is compared by its pairs of characters.
_LEAST_PAIRS = 0.75
# Sentences of a place.
_WINDOW = 2
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|hardly|except|excluded?|unless)\b|n['’]t\b"  # noqa: RUF001
    r"|[不没未无非勿]|除外"
)
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
        " seventeen eighteen nineteen twenty".split()
    )
}


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """The result is a number from 0 to 1. Raises InvalidInput for a classifier that is no inference model."""
    if model.task != "embedding" and "entailment" not in model.details:
        raise InvalidInput(
            "entailment must name a model of natural-language inference",
            hint="Its labels are entailment, neutral and contradiction.",
        )
    method = _by_vectors if model.task == "embedding" else _by_inference
    return [stepwise(method(model, *json.loads(pair))) for pair in inputs]


def _by_inference(model: Engine, passage: str, sentence: str) -> Steps:
    entailed, _ = model.details["entailment"]
    best = 0.0
    for start, end in passages.ranges(passage):
        logits = np.asarray((yield model.encode([(passage[start:end], sentence)])[0]))
        best = max(best, float(probability.softmax(logits)[:, entailed].max()))
    return str(best)


def _by_vectors(model: Engine, passage: str, sentence: str) -> Steps:
    text = passage[: passages.MAX_LENGTH]
    places = [place for place in _places(text) if _can_say(place, sentence)] if _holds_facts(text, sentence) else []
    if not places:
        return "0"
    if question.CJK.search(sentence):
        pairs = question.bigrams(sentence)
        share = max(len(pairs & question.bigrams(place)) / max(1, len(pairs)) for place in places)
        return str(share if share >= _LEAST_PAIRS else 0.0)
    vectors = np.asarray((yield passages.first_windows(model, [sentence, *places])))
    wanted = {stem(word) for word in question.content_words(sentence)}
    best = 0.0
    for place, cosine in zip(places, vectors[1:] @ vectors[0], strict=True):
        said = {stem(word) for word in question.content_words(place)}
        share = len(wanted & said) / max(1, len(wanted))
        if share >= _LEAST_WORDS and cosine >= _LEAST_COSINE:
            best = max(best, (share + min(1.0, float(cosine))) / 2)
    return str(best)


def _places(text: str) -> list[str]:
    """Each sentence, and each with the one after it."""
    ranges = sentences.ranges(text)
    return [
        text[ranges[first][0] : ranges[last][1]]
        for first in range(len(ranges))
        for last in range(first, min(first + _WINDOW, len(ranges)))
    ]


def _holds_facts(passage: str, sentence: str) -> bool:
    """Whether every number and name of the sentence stands in the passage."""
    known = {_fact(word) for word in question.words(passage)}
    return all(fact in known for fact in _facts(sentence))


def _can_say(place: str, sentence: str) -> bool:
    """Whether the place is negated as the sentence is, and names what both name in the same order."""
    if len(_NEGATION.findall(place.lower())) % 2 != len(_NEGATION.findall(sentence.lower())) % 2:
        return False
    order = [_fact(word) for word in question.words(place)]
    shared = [fact for fact in _facts(sentence) if fact in order]
    positions = [order.index(fact) for fact in shared]
    return positions == sorted(positions)


def _facts(sentence: str) -> list[str]:
    """The numbers, names and codes of a sentence, once each, in order."""
    facts = (
        _fact(word)
        for place, word in enumerate(question.words(sentence))
        if question.is_name(word, place == 0) or word.lower() in _NUMBERS
    )
    return list(dict.fromkeys(facts))


def _fact(word: str) -> str:
    lowered = word.lower()
    return _NUMBERS.get(lowered, lowered.replace(",", "") if lowered[0].isdigit() else lowered)
