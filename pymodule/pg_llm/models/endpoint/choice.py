"""A choice among answers: by the probability of what the first token of each would be, or by their names in JSON.

Answers that begin alike get letters, as in tests of knowledge (Hendrycks and others 2021). The others need none: small
models do not bind letters to answers (Robinson and others 2023), and large ones prefer some letters (Zheng and others
2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

import numpy as np

from pg_llm.models.engine import Message

# As many as OpenAI tells of a token: more answers than these are chosen from in JSON.
MAX_PROBABILITIES = 20
# The answer may come after white space or a quote.
MAX_TOKENS = 4
# Characters by which the first tokens of answers differ.
_BEGINNING = 3
# The logarithm of what an answer gets that was not chosen, where an endpoint tells no probabilities.
_NOT_CHOSEN = -7.0
_LEAST = 1e-6
_AROUND = " \t\r\n\"'`*_().:："  # noqa: RUF001 - Chinese


class Options:
    """The answers to one question."""

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = list(answers)
        beginnings = {answer[:_BEGINNING].casefold() for answer in answers}
        self._letters = "" if len(beginnings) == len(answers) else ascii_uppercase[: len(answers)]

    @property
    def are_few(self) -> bool:
        """Whether an endpoint may tell the probability of each."""
        return len(self._answers) <= MAX_PROBABILITIES

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of one answer."""
        named = {"answer": {"enum": list(dict.fromkeys(self._answers))}}
        return {"type": "object", "properties": named, "required": ["answer"], "additionalProperties": False}

    def listed(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation with the answers listed; with letters, in questions that were answered before too."""
        if not self._letters:
            *before, question = messages
            names = ", ".join(self._answers)
            return [*before, question | {"content": f"{question['content']}\nAnswer with one of these: {names}."}]
        lines = "\n".join(f"{letter}. {answer}" for letter, answer in zip(self._letters, self._answers, strict=True))
        letters = dict(zip(self._answers, self._letters, strict=True))
        return [
            {"role": "user", "content": f"{message['content']}\n{lines}\nAnswer with the letter only."}
            if message["role"] == "user"
            else message | {"content": letters.get(message["content"], message["content"])}
            for message in messages
        ]

    def named(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation with the names of the answers listed in its last question."""
        *before, question = messages
        lines = "\n".join(f"- {answer}" for answer in self._answers)
        return [*before, question | {"content": f'{question["content"]}\n{lines}\nAnswer as JSON: {{"answer": …}}'}]

    def log_probabilities(self, logprobs: Any) -> Any:
        """Those of the answers, by the tokens that could have come first; None where none of them is an answer's."""
        try:
            tokens = [token for token in logprobs["content"] if token["token"].strip(_AROUND)]
            told = [
                (token["token"], min(float(token["logprob"]), 0.0))
                for token in (tokens[0].get("top_logprobs") or tokens[:1])[:MAX_PROBABILITIES]
            ]
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
            return None
        likely = {token: value for token, value in told if isinstance(token, str) and math.isfinite(value)}
        found = np.full(len(self._answers), -math.inf)
        for token, log_probability in likely.items():
            if (number := self.read(token)) is not None:
                found[number] = np.logaddexp(found[number], log_probability)
        if np.isneginf(found).all():
            return None
        # What is not told is less probable than each that is, and than what they leave.
        left = 1 - sum(map(math.exp, likely.values()))
        return np.maximum(found, min(*likely.values(), math.log(max(left, _LEAST))))

    def read(self, text: str) -> int | None:
        """The number of the answer that a text is the letter, the name or the beginning of the name of."""
        bare = text.strip(_AROUND)
        if len(bare) == 1 and bare in self._letters:
            return self._letters.index(bare)
        if bare in self._answers:
            return self._answers.index(bare)
        # One letter of a name is too little, one Chinese character is not.
        if not bare or (len(bare) == 1 and bare.isascii()):
            return None
        fitting = [
            number for number, answer in enumerate(self._answers) if answer.casefold().startswith(bare.casefold())
        ]
        return fitting[0] if len({self._answers[number] for number in fitting}) == 1 else None

    def chosen(self, answer: int | str) -> Any:
        """The logarithms where only the choice is known."""
        number = answer if isinstance(answer, int) else self._answers.index(answer)
        found = np.full(len(self._answers), _NOT_CHOSEN)
        found[number] = 0.0
        return found
