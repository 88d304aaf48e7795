"""A choice among answers: lettered, as in tests of knowledge (Hendrycks and others 2021), or by their names in JSON.

The probability of an answer is that of its letter, or of the beginning of its name, as the first token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

import numpy as np

from pg_llm.models.engine import Message

# As many as OpenAI tells of a token; more answers than these have no letters.
MAX_PROBABILITIES = 20
# The letter may come after white space or a quote.
MAX_TOKENS = 4
# The logarithm of what an answer gets that was not chosen, where an endpoint tells no probabilities.
_NOT_CHOSEN = -7.0
_LEAST = 1e-6
_AROUND = " \t\r\n\"'`*_().:："  # noqa: RUF001 - Chinese


class Options:
    """The answers to one question."""

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = list(answers)
        # Answers that are letters already have no others beside them.
        self._are_letters = all(len(answer) == 1 and answer in ascii_uppercase for answer in answers)
        letters = self._answers if self._are_letters else ascii_uppercase
        self.marks = list(letters[: len(answers)]) if len(answers) <= MAX_PROBABILITIES else []

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of one answer."""
        named = {"answer": {"enum": list(dict.fromkeys(self._answers))}}
        return {"type": "object", "properties": named, "required": ["answer"], "additionalProperties": False}

    def listed(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation with letters for answers, in questions that were answered before too."""
        if self._are_letters:
            return list(messages)
        lines = "\n".join(f"{mark}. {answer}" for mark, answer in zip(self.marks, self._answers, strict=True))
        letters = {answer: mark for mark, answer in zip(self.marks, self._answers, strict=True)}
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
        if bare in self.marks:
            return self.marks.index(bare)
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
