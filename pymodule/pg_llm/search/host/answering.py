"""The task `answering`: which sentences of a passage answer a question, and how surely.

Answer sentence selection (Yang and others 2015) by a logistic regression on a few signs that can be told: how much of
the question is accounted for by the sentence and by what stands before it, how near their vectors are, and whether a
sentence can be an answer of the kind that is asked for. A sentence that accounts for the topic only is no answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine
from pg_llm.search.host import question, roles, sentences
from pg_llm.search.host.question import Question
from pg_llm.search.host.roles import Asked
from pg_llm.stemming import stem
from pg_llm.tasks import Steps, WorkItem, batching, passages, probability, stepwise
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

# Fitted on 150 questions about 30 short texts, half of them without an answer there: tests/benchmarks/answers.py.
_WEIGHTS = {
    "words in the sentence": 3.43,
    "least word in the sentence": 1.39,
    "names in the sentence or before": 1.03,
    "least word in the sentence or before": 2.73,
    "cosine of the sentence": 3.76,
    "cosine of it with the one before": 1.86,
    "kind of the answer": 0.83,
}
_BIAS = -10.52
# Chinese is compared by its characters alone: weight of the words accounted for, and bias.
_CHINESE_WEIGHT, _CHINESE_BIAS = 10.0, -8.0
# A word of the question that nothing comes so near to is not accounted for, and nothing is answered.
_LEAST_NEARNESS = 0.45
# Sentences of one passage that are told, at most.
_MOST = 3
# Texts that have nothing to do with each other: how alike a model finds them is its zero.
_UNRELATED = (
    "The train to the coast leaves at noon.",
    "Glucose is broken down in the cells.",
    "She bought three yards of blue silk.",
    "The court rejected the appeal.",
    "Install the driver before you connect the printer.",
    "Penguins breed on the ice.",
)
# The mean cosine of those texts by the model that the weights were fitted with.
_FITTED_ZERO = 0.03

# Words whose vectors are kept, as every passage has many of the same.
_MOST_WORDS = 20_000

_zeros = ModelScopedCache()
_word_vectors = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """The result is a JSON array of [start, end, confidence], surest first; options: `question`."""
    asked = question.read(options["question"])
    return [stepwise(_answers(model, asked, text[: passages.MAX_LENGTH])) for text in inputs]


def _answers(model: Engine, asked: Question, text: str) -> Steps:
    listed = _sentences(text)
    if not asked.content or not any(sentence.is_statement and asked.fits(sentence.text) for sentence in listed):
        return "[]"
    if asked.is_chinese:
        confidences = _chinese_confidences(asked, listed)
    else:
        vocabulary = sorted(set().union(*(sentence.words for sentence in listed)))
        known = _word_vectors.get(model, "words", dict)
        if len(known) > _MOST_WORDS:
            known.clear()
        words = [*(word.lower() for word in asked.content), *vocabulary]
        new = sorted(set(words) - known.keys())
        whole = [asked.text, *(text for sentence in listed for text in (sentence.stated, sentence.in_context))]
        vectors = np.asarray((yield passages.first_windows(model, [*whole, *new])))
        vectors_of_words = known | dict(zip(new, vectors[len(whole) :], strict=True))
        known.update(vectors_of_words)
        wanted = np.asarray([vectors[0], *(vectors_of_words[word] for word in words[: len(asked.content)])])
        found = np.asarray([*(vectors_of_words[word] for word in vocabulary), *vectors[1 : len(whole)]])
        zero = _zeros.get(model, "zero", lambda: _zero(model))
        cosines = _FITTED_ZERO + (wanted @ found.T - zero) * (1 - _FITTED_ZERO) / (1 - zero)
        confidences = _confidences(asked, listed, vocabulary, cosines)
    answers = [
        (*sentence.place, round(float(sure), 4))
        for sentence, sure in zip(listed, confidences, strict=True)
        if sentence.is_statement and asked.fits(sentence.stated)
    ]
    return json.dumps(sorted(answers, key=lambda answer: -answer[2])[:_MOST])


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence with its place; `stated` holds the question that it stands under, `in_context` the sentence before.

    Questions and the heading of a passage state nothing, but what follows is said of them.
    """

    place: tuple[int, int]
    text: str
    stated: str
    in_context: str
    is_heading: bool

    @property
    def words(self) -> set[str]:
        """The words of the sentence in lower case, without function words."""
        return question.content_words(self.text)

    @property
    def is_question(self) -> bool:
        """Whether it ends as a question does."""
        return self.text.endswith(("?", "？"))  # noqa: RUF001 - Chinese

    @property
    def is_statement(self) -> bool:
        """Whether it can be an answer."""
        return not self.is_heading and not self.is_question


def _sentences(text: str) -> list[_Sentence]:
    listed: list[_Sentence] = []
    ranges = sentences.ranges(text)
    for number, (start, end) in enumerate(ranges):
        sentence, previous = text[start:end], listed[-1] if listed else None
        in_context = f"{previous.text} {sentence}" if previous else sentence
        stated = in_context if previous and previous.is_question else sentence
        is_heading = number == 0 and len(ranges) > 1 and sentence[-1].isalnum() and text[end : end + 1] == "\n"
        listed.append(_Sentence((start, end), sentence, stated, in_context, is_heading))
    return listed


def _confidences(asked: Question, listed: list[_Sentence], vocabulary: list[str], cosines: Any) -> Any:
    found = signs(asked, listed, vocabulary, cosines)
    confidences = probability.sigmoid(_BIAS + sum(_WEIGHTS[name] * values for name, values in found.items()))
    said = roles.read(asked.text)
    is_reversed = [said is not None and _reverses(said, asked, sentence, vocabulary, cosines) for sentence in listed]
    return np.where(is_reversed | (found["least word in the sentence or before"] < _LEAST_NEARNESS), 0.0, confidences)


def _reverses(said: Asked, asked: Question, sentence: _Sentence, vocabulary: list[str], cosines: Any) -> bool:
    """Whether a sentence says of the same name the other part in what the question says is done."""
    row = next((row for row, word in enumerate(asked.content, 1) if word.lower() == said.verb), None)
    if row is None:
        return False
    nearness = {word: cosines[row, column] for column, word in enumerate(vocabulary) if word in sentence.words}
    same = {word for word in nearness if stem(word) == stem(said.verb)}
    nearest = max(nearness, key=nearness.__getitem__, default="")
    is_near = bool(nearest) and nearness[nearest] >= _LEAST_NEARNESS
    return roles.contradicts(said, sentence.text, same or ({nearest} if is_near else set()))


def signs(asked: Question, listed: list[_Sentence], vocabulary: list[str], cosines: Any) -> dict[str, Any]:
    """What the regression weighs, each of shape (sentences,).

    Row 0 of `cosines` is the question's, the others those of its words. Their columns are the vocabulary, and then for
    each sentence what it states and that in its context.
    """
    stems = [stem(word) for word in vocabulary]
    nearness = np.maximum(cosines[1:, : len(vocabulary)], 0)
    for row, word in enumerate(asked.content):
        same = np.asarray([stem(word) == other for other in stems])
        # A name or a number is there or not.
        opposed = np.asarray([question.is_opposite(word.lower(), other) for other in vocabulary])
        nearness[row] = same if word in asked.specific else np.where(same, 1.0, nearness[row] * ~opposed)
    column = {word: place for place, word in enumerate(vocabulary)}
    found = [nearness[:, [column[word] for word in sentence.words]].max(axis=1, initial=0) for sentence in listed]
    inside, either = _coverage(listed, np.asarray(found), 1.0)
    is_name = np.asarray([word in asked.specific for word in asked.content])
    common = inside[:, ~is_name] if not is_name.all() else np.ones((len(listed), 1))
    names = either[:, is_name] if is_name.any() else np.ones((len(listed), 1))
    return {
        "words in the sentence": common.mean(axis=1),
        "least word in the sentence": common.min(axis=1),
        "names in the sentence or before": names.mean(axis=1),
        "least word in the sentence or before": either.min(axis=1),
        "cosine of the sentence": cosines[0, len(vocabulary) :: 2],
        "cosine of it with the one before": cosines[0, len(vocabulary) + 1 :: 2],
        "kind of the answer": np.asarray([_kind(asked, sentence.text) for sentence in listed]),
    }


def _chinese_confidences(asked: Question, listed: list[_Sentence]) -> Any:
    """By the share of each word's pairs of characters that a sentence has, or less surely what stands before it."""

    def share(word: str, text: str) -> float:
        pairs = question.bigrams(word)
        return 1.0 if word in text else len(pairs & question.bigrams(text)) / len(pairs) if pairs else 0.0

    found = np.asarray([[share(word, sentence.text) for word in asked.content] for sentence in listed])
    _, either = _coverage(listed, found, 0.8)
    accounted = (either.mean(axis=1) + either.min(axis=1)) / 2
    return probability.sigmoid(_CHINESE_WEIGHT * accounted + _CHINESE_BIAS)


def _coverage(listed: list[_Sentence], found: Any, weight: float) -> tuple[Any, Any]:
    """How far each word of the question is accounted for: by what a sentence states, and with all that stands before.

    Both of shape (sentences, words), as is `found`, each sentence's own part; what stands before counts by `weight`.
    """
    inside = found.copy()
    for row in range(1, len(listed)):
        if listed[row - 1].is_question:
            inside[row] = np.maximum(found[row], found[row - 1])
    before = np.vstack([np.zeros((1, found.shape[1])), np.maximum.accumulate(found, axis=0)[:-1]])
    return inside, np.maximum(inside, weight * before)


def _kind(asked: Question, sentence: str) -> int:
    """Whether the sentence can be an answer of the kind: 1 yes, 0 for a kind that cannot be told, -1 hardly."""
    if asked.kind is None:
        return 0
    return -1 if asked.kind in ("person", "place") and not asked.names_something_new(sentence) else 1


def _zero(model: Engine) -> float:
    vectors = batching.embed(model, _UNRELATED)
    cosines = vectors @ vectors.T
    return float((cosines.sum() - len(vectors)) / (len(vectors) * (len(vectors) - 1)))
