"""Constrained decoding by grammars of llguidance: which tokens may come next."""

from __future__ import annotations

from typing import Any

from llguidance import LLMatcher
from llguidance.hf import from_tokenizer

from pg_llm.errors import InvalidInput


def from_json_schema(schema: Any) -> str:
    """The grammar of all JSON texts that follow a JSON Schema, without white space between their parts."""
    # Without white space: a small model that may write spaces sometimes never stops.
    grammar: str = LLMatcher.grammar_from_json_schema(schema, defaults={"whitespace_flexible": False})
    return grammar


class Grammars:
    """Matchers for one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = from_tokenizer(tokenizer)

    def matcher(self, grammar: str) -> LLMatcher:
        """A matcher at the beginning of a text. Raises InvalidInput for a grammar that cannot be used."""
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise InvalidInput(
                "the schema cannot be used",
                detail=matcher.get_error()[:1000],
                hint="""Write schema => '{"type": "object", "properties": {"name": {"type": "string"}}}'.""",
            )
        return matcher
