"""A generation model that writes queries: samples of one prompt, and corrections of queries that fail."""

from __future__ import annotations

import json
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

    def write(self, conversation: Conversation, number: int) -> str | None:
        """The query of a sample, the likeliest being number 0; None if it holds no SELECT."""
        return self._run(conversation, _TEMPERATURE if number else 0.0, number)

    def correct(self, conversation: Conversation) -> str | None:
        """The query after a conversation whose last message says what is wrong with the last query."""
        return self._run(conversation, 0.0, 0)

    def _run(self, conversation: Conversation, temperature: float, seed: int) -> str | None:
        options = {"max_tokens": _MOST_TOKENS, "temperature": temperature, "seed": seed}
        (written,) = self.model.run("sql_writing", [json.dumps(conversation)], **options)
        return prompt.first_statement(written)
