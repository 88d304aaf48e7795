"""Long texts in passages, so that no call of a library blocks the process or takes memory for long."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from pg_llm.models.engine import Engine, GenerationEngine, Window

# The start of each passage in its text, and the passage's windows.
Passages = Iterator[tuple[int, list[Window]]]

# Characters of a passage at most.
MAX_LENGTH = 20_000
# Parts of one text for which a model writes at once: those of a long one do not keep others waiting.
_PARTS = 8
# Characters before the maximum in which a sentence end or white space is looked for.
_SEARCHED = 2_000
_ENDS = (re.compile(r"(?<=[.!?。！？])\s|(?<=[。！？])|\n"), re.compile(r"\s"))  # noqa: RUF001 - Chinese


def ranges(text: str, longest: int = MAX_LENGTH) -> Iterator[tuple[int, int]]:
    """Start and end of each passage, one at least; it ends after a sentence, else at white space, else anywhere."""
    start = 0
    while len(text) - start > longest:
        end = _end(text, start, start + longest)
        yield start, end
        start = end
    yield start, len(text)


def prompt_ranges(model: GenerationEngine, text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each part of a text that a prompt of the model holds, one at least; it ends as in `ranges`."""
    for first, last in ranges(text):
        start = first
        # A text without tokens is cut to nothing, and is no longer than a prompt.
        while 0 < (length := len(model.truncate(text[start:last]))) < last - start:
            end = _end(text, start, start + length)
            yield start, end
            start = end
        yield start, last


def prompt_parts(model: GenerationEngine, text: str) -> Iterator[list[tuple[int, int]]]:
    """The parts of `prompt_ranges`, some at a time: as many as a model is asked about at once."""
    ranges_of_text = prompt_ranges(model, text)
    while parts := list(itertools.islice(ranges_of_text, _PARTS)):
        yield parts


def _end(text: str, start: int, most: int) -> int:
    searched = max(most - _SEARCHED, (start + most) // 2)
    for pattern in _ENDS:
        last = max((match.end() for match in pattern.finditer(text, searched, most)), default=0)
        if last:
            return last
    return most


def encode(model: Engine, texts: Sequence[str], overlap: int = 0) -> list[Passages]:
    """The encoded passages of each text, lazily one after the other."""
    ranges_of_texts = [ranges(text) for text in texts]
    firsts = [text[slice(*next(of_text))] for text, of_text in zip(texts, ranges_of_texts, strict=True)]
    # Together, so that short texts cost one call of the tokenizer.
    encoded = model.encode(firsts, overlap)
    return [_encode_rest(model, *text, overlap) for text in zip(texts, ranges_of_texts, encoded, strict=True)]


def _encode_rest(
    model: Engine, text: str, rest: Iterator[tuple[int, int]], first: list[Window], overlap: int
) -> Passages:
    yield 0, first
    for start, end in rest:
        yield start, model.encode([text[start:end]], overlap)[0]


def first_windows(model: Engine, texts: Sequence[str]) -> list[Window]:
    """The first window of each text."""
    size = MAX_LENGTH
    encoded = model.encode([text[:size] for text in texts])
    # A beginning that fits into one window may be white space or a single word: more text is needed to fill it.
    while unfilled := [row for row, text in enumerate(texts) if len(text) > size and len(encoded[row]) == 1]:
        size *= 8
        for row in unfilled:
            encoded[row] = model.encode([texts[row][:size]])[0]
    return [windows[0] for windows in encoded]


def average_outputs(
    model: Engine, texts: Sequence[str], convert: Callable[[Any], Any]
) -> list[Generator[Sequence[Window], Sequence[Any], Any]]:
    """For each text `convert` of the mean of its windows' outputs."""

    def average(encoded: Passages) -> Generator[Sequence[Window], Sequence[Any], Any]:
        total: Any = 0
        count = 0
        for _, windows in encoded:
            outputs = yield windows
            total, count = sum(outputs, start=total), count + len(outputs)
        return convert(total / count)

    return [average(encoded) for encoded in encode(model, texts)]
