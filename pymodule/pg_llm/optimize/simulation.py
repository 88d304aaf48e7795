"""Simulated model calls: they are counted, and answered with what the model has answered to a few of the texts.

So that a statement can be run without its models: PostgreSQL decides itself how often each is asked, and conditions on
answers hold as often as they do for the texts that were really asked (a bootstrap).
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pg_llm.database.models import Model
from pg_llm.errors import Error
from pg_llm.protocol import Message
from pg_llm.runtime import client, result_cache
from pg_llm.runtime.client import Cost
from pg_llm.runtime.result_cache import ResultCache

# Model, task and digest of the options; the digest is empty once a task has been asked with many options.
Kind = tuple[str, str, str]
# What a model makes of a text.
Outcome = str | Error
# Distinct texts of a kind that are kept, and those of them that the model is asked.
_KEPT, _ASKED = 128, 32
# Texts of one request where the statement itself sends many: of the first, which may take long, and of others.
_FIRST_BATCH, _BATCH = 4, 16
# Options of a task that are told apart; beyond, as where a query is an option, all have the same answers.
_MOST_OPTIONS = 8
# Tasks that use a model's tokenizer only, and whose results must fit the text.
_WITHOUT_COST = ("chunking",)


class Unasked(Error):
    """Ends a simulation in which a kind of requests is met that the model has not been asked yet."""


@dataclass(frozen=True, slots=True)
class Question:
    """A text that a model is asked, with everything that the answer depends on."""

    model: Model
    task: str
    text: str
    options: Message


def ask(questions: Iterable[Question]) -> tuple[list[Outcome], Cost]:
    """The model's answers to texts with the same options, in one request, and what they cost."""
    first, *others = questions
    return first.model.measure(first.task, [first.text, *(other.text for other in others)], first.options)


@dataclass(slots=True)
class Requests:
    """What a model was asked of one kind: requests to the host, texts, and a random sample of the distinct ones.

    `sample` holds those with the least hashes, and `bytes` what a session would remember of the distinct ones.
    """

    calls: int = 0
    characters: int = 0
    bytes: int = 0
    batched: bool = False
    texts: Counter[int] = field(default_factory=Counter)
    sample: dict[int, Question] = field(default_factory=dict)
    _least: list[int] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The texts, repeated ones too."""
        return self.texts.total()

    def add(self, number: int, question: Question, size: int) -> None:
        """Count a text by its hash."""
        self.characters += len(question.text)
        self.texts[number] += 1
        if self.texts[number] > 1:
            return
        self.bytes += size
        if len(self._least) < _KEPT:
            heapq.heappush(self._least, -number)
        elif number < -self._least[0]:
            del self.sample[-heapq.heapreplace(self._least, -number)]
        else:
            return
        self.sample[number] = question

    def portions(self) -> Iterator[dict[int, Question]]:
        """Texts to ask the model, evenly spaced by length, in requests as the statement makes them.

        Those that come first are evenly spaced too (van der Corput's sequence), as there may be no time for all.
        """
        by_length = sorted(self.sample.items(), key=lambda item: (len(item[1].text), item[0]))
        count = min(_ASKED, len(by_length))
        spaced = [by_length[(2 * place + 1) * len(by_length) // (2 * count)] for place in range(count)]
        turns = sorted(range(count), key=lambda place: f"{(place + count // 2) % count:032b}"[::-1])
        portion: dict[int, Question] = {}
        size = _FIRST_BATCH
        for number, question in (spaced[place] for place in turns):
            is_full = len(portion) == (size if self.batched else 1)
            if portion and (is_full or next(iter(portion.values())).options != question.options):
                yield portion
                portion, size = {}, _BATCH
            portion[number] = question
        if portion:
            yield portion


class Simulation:
    """Stands in for all models; `answers` has what was answered by kind and hash of the text."""

    def __init__(self, answers: Mapping[Kind, Mapping[int, Outcome]]) -> None:
        self._answers = answers
        self._lists = {kind: list(known.values()) for kind, known in answers.items()}
        self._scopes: dict[tuple[str, str], set[str]] = {}
        self._remembered = ResultCache(client.CACHE_BYTES)
        self.requests: dict[Kind, Requests] = {}
        self.unasked: tuple[Kind, int, Question] | None = None

    def answer(self, model: Model, task: str, inputs: Sequence[str], options: Message) -> list[Outcome]:
        """A result, or an error, per input. Raises Unasked."""
        if task in _WITHOUT_COST:
            return model.measure(task, inputs, options)[0]
        scope = result_cache.scope(task, options)
        kind = self._kind(model.name, task, scope)
        questions = {_hash(f"{scope} {text}"): Question(model, task, text, options) for text in dict.fromkeys(inputs)}
        if kind not in self._answers and questions:
            self.unasked = (kind, *next(iter(questions.items())))
            raise Unasked("a model has to be asked first")
        results = {question.text: self._answer(kind, number) for number, question in questions.items()}
        missing: Sequence[str] = inputs
        if len(inputs) <= client.MAX_CACHED_TEXTS:
            known = self._remembered.get_many(model.name, scope, results)
            missing = [text for text in results if text not in known]
            given = {text: result for text in missing if isinstance(result := results[text], str)}
            self._remembered.put_many(model.name, scope, given)
        requests = self.requests.setdefault(kind, Requests())
        requests.calls += sum(1 for _ in client.chunks(missing))
        requests.batched |= len(inputs) > client.MAX_CACHED_TEXTS
        numbers = {question.text: number for number, question in questions.items()}
        for text in inputs:
            number = numbers[text]
            requests.add(number, questions[number], result_cache.size(text, str(results[text])))
        return [results[text] for text in inputs]

    def _kind(self, model: str, task: str, scope: str) -> Kind:
        scopes = self._scopes.setdefault((model, task), set())
        if scope not in scopes and len(scopes) == _MOST_OPTIONS:
            return (model, task, "")
        scopes.add(scope)
        return (model, task, scope)

    def _answer(self, kind: Kind, number: int) -> Outcome:
        known = self._answers[kind].get(number)
        return self._lists[kind][number % len(self._lists[kind])] if known is None else known


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
