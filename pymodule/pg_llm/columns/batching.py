"""Expressions that are one call of a function of ours on a text: its batch twin computes many rows at once.

A model reads texts together about twice as fast as one by one, and an endpoint answers them side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.database.quoting import quote_ident

# Functions whose first parameter is one text, and whose twin has the same parameters after a list of texts.
FUNCTIONS = (
    *("llm_classify", "llm_tag", "llm_tag_scores", "llm_embed", "llm_clean"),
    *("llm_generate", "llm_generate_json", "llm_extract", "llm_summarize", "llm_translate", "llm_fix_grammar"),
)
_NAME = r'(?:[a-z_][a-z0-9_$]*+|"(?:[^"]|"")++")'
_CALL = re.compile(rf"(?P<schema>{_NAME})\.(?P<function>{'|'.join(FUNCTIONS)})\(")
_FIRST_NAME = re.compile(r"(?:input|prompt) => ")
_TOKEN = re.compile(rf"'(?:[^']|'')*+'|{_NAME}|[()\[\],]")


@dataclass(frozen=True, slots=True)
class BatchCall:
    """SQL of the text of one row, and of the call that reads the texts of all: `call` of an array of texts."""

    input: str
    function: str
    rest: str

    def call(self, inputs: str) -> str:
        """The call, whose rows are the number of a text from 1 and its result."""
        return f"{self.function}({inputs}{self.rest})"


def batch_call(expression: str, columns: Sequence[str], schema: str) -> BatchCall | None:
    """The batch call that computes a compiled expression over these columns; None where there is none.

    `schema` is that of our functions, quoted. An expression as the server writes it is read: functions qualified, texts
    in quotes, spaces as they should be.
    """
    match = _CALL.match(expression)
    if match is None or match["schema"] != schema:
        return None
    arguments = _arguments(expression, match.end())
    if arguments is None:
        return None
    first, *others = arguments
    first = _FIRST_NAME.sub("", first, count=1)
    # Another parameter that depends on the row, or one that was written first.
    if set(_names(", ".join(others))) & {quote_ident(name) for name in columns} or re.match(rf"{_NAME} => ", first):
        return None
    return BatchCall(first, f"{schema}.{match['function']}_batch", "".join(f", {each}" for each in others))


def _arguments(expression: str, start: int) -> list[str] | None:
    """The arguments of the call whose first begins there, if nothing follows the call."""
    arguments, depth, begin = [], 1, start
    for token in _TOKEN.finditer(expression, start):
        if token[0] in "([":
            depth += 1
        elif token[0] in ")]":
            depth -= 1
        if depth == 0 or (depth == 1 and token[0] == ","):
            arguments.append(expression[begin : token.start()].strip())
            begin = token.end()
        if depth == 0:
            return arguments if begin == len(expression) else None
    return None


def _names(text: str) -> Iterator[str]:
    return (token[0] for token in _TOKEN.finditer(text) if token[0][0] not in "'()[],")
