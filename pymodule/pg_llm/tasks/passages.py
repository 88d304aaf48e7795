"""Long texts in passages: no library is given a whole one, so that none holds the process or its memory for long."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from pg_llm.models.engine import Engine, Window

# Where each passage begins, and its windows.
Passages = Iterator[tuple[int, list[Window]]]

# Characters of a passage.
MAX_LENGTH = 20_000
# How far before its end a passage looks for a better one.
_BACK = 2_000
_ENDS = (re.compile(r"(?<=[.!?。！？])\s|(?<=[。！？])|\n"), re.compile(r"\s"))  # noqa: RUF001 - Chinese


def ranges(text: str, longest: int = MAX_LENGTH) -> Iterator[tuple[int, int]]:
    """Where passages begin and end, one at least: after a sentence, else at white space, else anywhere."""
    start = 0
    while len(text) - start > longest:
        end = _end(text, start + longest)
        yield start, end
        start = end
    yield start, len(text)


def _end(text: str, most: int) -> int:
    for pattern in _ENDS:
        last = max((match.end() for match in pattern.finditer(text, most - _BACK, most)), default=0)
        if last:
            return last
    return most


def encode(model: Engine, texts: Sequence[str], overlap: int = 0) -> list[Passages]:
    """The passages of each text, one after the other as they are asked for."""
    cut = [ranges(text) for text in texts]
    firsts = [text[slice(*next(place))] for text, place in zip(texts, cut, strict=True)]
    begun = model.encode(firsts, overlap)
    return [_rest(model, *each, overlap) for each in zip(texts, cut, begun, strict=True)]


def _rest(model: Engine, text: str, cut: Iterator[tuple[int, int]], begun: list[Window], overlap: int) -> Passages:
    yield 0, begun
    for start, end in cut:
        yield start, model.encode([text[start:end]], overlap)[0]


def first_windows(model: Engine, texts: Sequence[str]) -> list[Window]:
    """The first window of each text."""
    size = MAX_LENGTH
    found = model.encode([text[:size] for text in texts])
    # A beginning that the model reads at once may be mere space, or one word.
    while again := [place for place, text in enumerate(texts) if len(text) > size and len(found[place]) == 1]:
        size *= 8
        for place in again:
            found[place] = model.encode([texts[place][:size]])[0]
    return [windows[0] for windows in found]


def average_outputs(
    model: Engine, texts: Sequence[str], judge: Callable[[Any], Any]
) -> list[Generator[Sequence[Window], Sequence[Any], Any]]:
    """For each text what is made of the mean of its windows' outputs."""

    def read(cut: Passages) -> Generator[Sequence[Window], Sequence[Any], Any]:
        total: Any = 0
        count = 0
        for _, windows in cut:
            outputs = yield windows
            total, count = sum(outputs, start=total), count + len(outputs)
        return judge(total / count)

    return [read(cut) for cut in encode(model, texts)]
