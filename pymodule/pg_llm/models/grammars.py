"""Grammars of llguidance, which decide what a model may write."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer

from pg_llm.errors import InvalidInput
from pg_llm.models import grammar_check
from pg_llm.models.engine import Sampling

# What users write, which may be a bomb; the grammars for single texts are our own, and hold parts of it.
_problem = functools.lru_cache(maxsize=64)(grammar_check.problem)
# Items of a list that are counted.
_MAX_ITEMS = 10_000


def of(sampling: Sampling) -> str | None:
    """The grammar that a text follows, if it follows one. Raises InvalidInput for one that cannot be used."""
    if sampling.grammar is None and sampling.schema is None:
        return None
    _check_lists(sampling.schema)
    of_schema = f"start: {json_rule(sampling.schema)}"
    # llama.cpp would write without a grammar that cannot be used, and say nothing.
    problem = _problem(of_schema) if sampling.schema is not None else None
    if sampling.grammar is not None and problem != grammar_check.TOO_MUCH:
        problem = LLMatcher.validate_grammar(sampling.grammar)
    if problem:
        raise InvalidInput(
            "the schema cannot be used",
            detail=problem[:1000],
            hint="""Write schema => '{"type": "object", "properties": {"name": {"type": "string"}}}'.""",
        )
    return of_schema if sampling.grammar is None else sampling.grammar


def _check_lists(schema: Any) -> None:
    """Raise InvalidInput for lists that llama.cpp works on for seconds, and then writes without the grammar."""
    pending = [schema]
    while pending:
        part = pending.pop()
        pending += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        for name in ("minItems", "maxItems") if isinstance(part, dict) else ():
            if isinstance(count := part.get(name), int | float) and count > _MAX_ITEMS:
                raise InvalidInput(
                    f"the schema has {name} {count:.0f}, and at most {_MAX_ITEMS} can be kept to",
                    hint=f"Leave {name} out: an answer has no room for so many items.",
                )


def json_rule(schema: Any) -> str:
    """The part of a grammar for all JSON texts that follow a schema, without white space between their parts."""
    # Without white space: a small model that may write spaces sometimes never stops.
    compact = {**schema, "x-guidance": {"whitespace_flexible": False}} if isinstance(schema, dict) else schema
    return f"%json {json.dumps(compact)}"


def is_followed(grammar: str, text: str, is_complete: bool) -> bool:
    """Whether a text, or one that was cut off, is what the grammar allows."""
    written = text.encode()
    matcher = LLMatcher(_bytes_tokenizer(), grammar, log_level=0)
    if is_complete:
        return bool(matcher.try_consume_tokens(list(written)) == len(written) and matcher.is_accepting())
    # The last token may end within a character.
    begun = text.rstrip("\ufffd").encode()
    return bool(matcher.try_consume_tokens(list(begun)) == len(begun))


@functools.cache
def _bytes_tokenizer() -> Any:
    return LLTokenizer("byte")


class TokenMask:
    """The tokens that may come next, for torch: a logits processor of transformers for one text."""

    def __init__(self, grammar: str, tokenizer: Any) -> None:
        self._matcher = LLMatcher(tokenizer, grammar, log_level=0)
        # Tokens that were consumed; the prompt is no part of the grammar's text.
        self._seen: int | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether nothing can follow."""
        return bool(self._matcher.is_stopped())

    @property
    def is_complete(self) -> bool:
        """Whether the text is a whole sentence of the grammar."""
        return bool(self._matcher.is_accepting() and not self._matcher.is_error())

    def consume(self, tokens: Sequence[int]) -> None:
        """Go on to the end of the text so far, whose first tokens are the prompt."""
        for token in tokens[len(tokens) if self._seen is None else self._seen :]:
            if not self._matcher.is_stopped():
                self._matcher.consume_token(token)
        self._seen = len(tokens)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The logits of one text, those of other tokens at minus infinity."""
        self.consume(input_ids[0].tolist())
        allowed = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")
        return scores.masked_fill(scores.new_tensor(allowed[: scores.shape[-1]]) == 0, -np.inf)
