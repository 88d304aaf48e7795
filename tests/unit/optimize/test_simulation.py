"""Simulated model calls: what is counted, what is answered, and how a sample of it stands for all."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pg_llm.optimize import estimate, simulation
from pg_llm.optimize.simulation import Kind, Requests, Simulation, Unasked
from pg_llm.runtime import result_cache
from pg_llm.runtime.client import Cost

OPTIONS: dict[str, Any] = {"role": None}


class Spoken:
    """A model that answers in capitals, at one token a character."""

    def __init__(self, name: str = "m") -> None:
        self.name = name
        self.asked: list[list[str]] = []

    def measure(self, task: str, inputs: list[str], options: dict[str, Any]) -> tuple[list[str], Cost]:
        self.asked.append(inputs)
        return [text.upper() for text in inputs], Cost(sum(map(len, inputs)), 0.5, 0.25)


def kind_of(options: dict[str, Any], task: str = "embedding") -> Kind:
    return ("m", task, result_cache.scope(task, options))


def simulated(*answers: str) -> Simulation:
    return Simulation({kind_of(OPTIONS): dict(enumerate(answers))})


def ask(stand_in: Simulation, *texts: str, options: dict[str, Any] = OPTIONS) -> list[str]:
    return stand_in.answer(Spoken(), "embedding", list(texts), options)  # type: ignore[arg-type]


def test_a_kind_that_was_never_asked_ends_the_run() -> None:
    stand_in = Simulation({})
    with pytest.raises(Unasked):
        ask(stand_in, "first", "second")
    assert stand_in.unasked
    kind, number, question = stand_in.unasked
    assert (kind, question.text) == (kind_of(OPTIONS), "first")
    answers, cost = simulation.ask([question])
    # Its own answer is given for a text that was asked, and one of the answers for any other.
    known = Simulation({kind: {number: answers[0], 1: "OTHER"}})
    assert ask(known, "first") == ["FIRST"]
    assert set(ask(known, *map(str, range(50)))) == {"FIRST", "OTHER"}
    assert cost == (5, 0.5, 0.25)


def test_an_empty_answer_is_an_answer() -> None:
    stand_in = simulated("")
    assert ask(stand_in, "a") == [""]


def test_requests_are_counted_as_a_session_makes_them() -> None:
    stand_in = simulated("A")
    for text in ("a", "b", "a", "a"):
        ask(stand_in, text)
    ask(stand_in, "a", "b", "c")
    ask(stand_in)
    requests = stand_in.requests[kind_of(OPTIONS)]
    assert (requests.calls, requests.total, len(requests.texts), requests.batched) == (3, 7, 3, False)
    ask(stand_in, *map(str, range(300)))
    assert (requests.calls, requests.total, requests.batched) == (5, 307, True)


def test_what_a_session_cannot_remember_is_asked_again() -> None:
    stand_in = simulated("A" * 200_000)
    for text in [*map(str, range(20)), *map(str, range(20))]:
        ask(stand_in, text)
    assert stand_in.requests[kind_of(OPTIONS)].calls == 40


def test_options_are_told_apart_up_to_a_number() -> None:
    queries = [{"query": str(number)} for number in range(20)]
    answers = {kind_of(options): {0: options["query"]} for options in queries}
    stand_in = Simulation({**answers, ("m", "embedding", ""): {0: "any"}})
    assert [ask(stand_in, "a", options=options)[0] for options in queries] == [*map(str, range(8))] + ["any"] * 12
    shared = stand_in.requests["m", "embedding", ""]
    # The same text with other options is another text, and asked in a request of its own.
    assert len(shared.texts) == 12
    assert [len(portion) for portion in shared.portions()] == [1] * 12


def test_the_texts_to_ask_are_spaced_by_length() -> None:
    stand_in = simulated("A")
    for length in range(1, 101):
        ask(stand_in, "x" * length)
    asked = [
        question.text for portion in stand_in.requests[kind_of(OPTIONS)].portions() for question in portion.values()
    ]
    lengths = list(map(len, asked))
    assert len(set(lengths)) == 32
    assert lengths[0] == 52
    for few in (4, 8, 16, 32):
        assert sum(lengths[:few]) / few == pytest.approx(50.5, rel=0.3)


def test_a_batch_is_asked_in_batches() -> None:
    stand_in = simulated("A")
    ask(stand_in, *map(str, range(100)))
    assert [len(portion) for portion in stand_in.requests[kind_of(OPTIONS)].portions()] == [4, 16, 12]


def test_the_sample_of_a_million_texts_is_small_and_random() -> None:
    stand_in = simulated("A")
    for number in range(20_000):
        ask(stand_in, f"{number:05}")
    requests = stand_in.requests[kind_of(OPTIONS)]
    numbers = [int(question.text) for question in requests.sample.values()]
    assert len(set(numbers)) == 128
    assert sum(numbers) / 128 == pytest.approx(10_000, rel=0.2)


def seen(texts: list[str]) -> Requests:
    stand_in = simulated("A")
    for text in texts:
        ask(stand_in, text)
    return stand_in.requests.get(kind_of(OPTIONS), Requests())


@pytest.mark.parametrize("repeated", [1, 3, 20])
def test_distinct_texts_of_all_are_estimated_from_a_sample(repeated: int) -> None:
    texts = [f"{number // repeated * 7919 % 100_003}" for number in range(40_000)]
    chance = random.Random(1)
    sample = [text for text in texts if chance.random() < 0.2]
    found = estimate._distinct(seen(sample), 0.2)
    assert found == pytest.approx(len(set(texts)), rel=0.1)
    assert estimate._distinct(seen(texts), 1.0) == len(set(texts))


def test_frequent_texts_do_not_hide_the_others() -> None:
    unique = [f"{number}" for number in range(4_000)]
    assert estimate._distinct(seen([*unique, *["constant"] * 4_000]), 0.1) == pytest.approx(40_000, rel=0.01)


@pytest.mark.parametrize(
    ("total", "half", "share"),
    [(200, 100, 0.02), (200, 90, 0.02), (5, 5, 1.0), (200, 150, None), (200, 50, None), (50, 25, None), (200, 0, None)],
)
def test_what_grows_with_the_rows_is_told_from_what_does_not(total: int, half: int, share: float | None) -> None:
    whole, part = ([f"{number}" for number in range(count)] for count in (total, half))
    assert estimate._share(seen(whole), seen(part), 2.0) == share


def test_texts_that_grow_with_the_rows_are_neither() -> None:
    assert estimate._share(seen(["a long text"]), seen(["a text"]), 2.0) is None


def test_calls_of_all_are_those_that_a_session_does_not_remember() -> None:
    repeated = seen([f"{number % 50}" for number in range(1_000)])
    assert estimate._calls(repeated, 50, 0.1) == pytest.approx(50)
    # More than a session remembers.
    assert estimate._calls(repeated, 100_000, 0.1) == pytest.approx(500)
    assert estimate._calls(repeated, 50, 1.0) == 50
    assert estimate._calls(Requests(), 0, 0.1) == 0
