"""A generation model that writes queries: samples of one prompt, and corrections of queries that fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.ask import prompt
from pg_llm.ask.reliability import Reliability
from pg_llm.database.models import Model

# The first sample is the likeliest query, the others show how sure the model is of it.
_TEMPERATURE = 0.7
_MOST_TOKENS = 512

Conversation = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Writer:
    """A generation model, how often it is sampled, and how reliable its queries are."""

    model: Model
    samples: int
    reliability: Reliability

    def write(self, conversation: Conversation, samples: range) -> list[str]:
        """The queries of these samples, the likeliest being number 0, without those that hold no SELECT."""
        temperatures = [_TEMPERATURE if number else 0.0 for number in samples]
        return [sql for sql in self._run([conversation], temperatures)[0] if sql is not None]

    def correct(self, conversations: Sequence[Conversation]) -> list[str | None]:
        """One query for each conversation, whose last message says what is wrong with the last query."""
        return [written[0] for written in self._run(conversations, [0.0])]

    def _run(self, conversations: Sequence[Conversation], temperatures: list[float]) -> list[list[str | None]]:
        texts = [json.dumps(conversation) for conversation in conversations]
        outputs = self.model.run("sql_writing", texts, max_tokens=_MOST_TOKENS, temperatures=temperatures)
        return [[prompt.first_statement(text) for text in json.loads(output)] for output in outputs]
