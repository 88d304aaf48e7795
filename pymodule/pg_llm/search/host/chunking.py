"""Documents to chunks: recursive splitting at headings, paragraphs, sentences and words, counted in the model's tokens.

Options: `chunking`, one of `search.chunking.METHODS`; `tokens`, the longest chunk, or null for as many as the model
reads at once; `overlap`, tokens that a chunk may repeat of the one before.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from pg_llm.models.engine import Engine
from pg_llm.tasks import Steps, WorkItem, passages, stepwise
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

# A chunk of more says too many things for one vector, whatever the model could read.
_MOST_TOKENS = 512
_HEADING = re.compile(r"^(#{1,6} \S|```)", re.MULTILINE)
# A chunk of this share of the longest ends with its paragraph. Chosen on the odd queries of Cranfield.
_ENOUGH = 0.25
# From its first letter to its last; linear, as a paragraph has no two line ends with nothing but spaces between.
_PARAGRAPH = re.compile(r"\S[^\n]*+(?:\n[^\S\n]*+[^\s][^\n]*+)*+")
# Long enough to fill any model's window.
_PROBE = "word " * 4 * _MOST_TOKENS
# Texts whose tokens have been counted: words come again.
_COUNTED = 4096
# Where each chunk begins and ends, in characters from 0.
Ranges = Iterator[tuple[int, int]]

_limits = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """The result is a JSON list of [start, end] in characters from 0; blank text has no chunk."""
    special, longest = _limits.get(model, "limits", lambda: _model_limits(model))
    tokens = options["tokens"] or longest

    @functools.lru_cache(maxsize=_COUNTED)
    def count(text: str) -> int:
        return sum(window.cost - special for window in model.encode([text])[0])

    overlap = min(options["overlap"], tokens // 2)
    if options["chunking"] == "none":
        return [WorkItem((), functools.partial(_whole, len(text))) for text in inputs]
    split = functools.partial(_SPLITTERS[options["chunking"]], count=count, tokens=tokens, overlap=overlap)
    return [stepwise(_chunks(text, split)) for text in inputs]


def _whole(length: int, outputs: Sequence[Any]) -> str:
    return json.dumps([[0, length]])


def _model_limits(model: Engine) -> tuple[int, int]:
    """Tokens that every window has beside the text's, and those of the text that fit into one."""
    special = model.encode([""])[0][0].cost
    return special, min(model.encode([_PROBE])[0][0].cost - special, _MOST_TOKENS)


def _chunks(text: str, split: Callable[[str], Ranges]) -> Steps:
    """The chunks of one passage after the other, so that a long document lets others in between."""
    ranges: list[tuple[int, int]] = []
    for begin, end in passages.ranges(text):
        passage = text[begin:end]
        ranges += [(begin + first, begin + last) for first, last in split(passage) if passage[first:last].strip()]
        yield []
    return json.dumps(ranges)


def _recursive(text: str, count: Callable[[str], int], tokens: int, overlap: int) -> Ranges:
    splitter = TextSplitter.from_callback(count, tokens, overlap=overlap)
    if overlap:
        return _split(splitter, text)
    return itertools.chain.from_iterable(
        [(begin, end)] if fits else ((begin + first, begin + last) for first, last in _split(splitter, text[begin:end]))
        for begin, end, fits in _paragraphs(text, count, tokens)
    )


def _paragraphs(text: str, count: Callable[[str], int], tokens: int) -> Iterator[tuple[int, int, bool]]:
    """Runs of whole paragraphs and whether they fit into a chunk; a chunk's subject is that of its paragraphs.

    A run ends as soon as it is long enough, so that it does not begin another subject.
    """
    if count(text) <= tokens:
        yield 0, len(text), True
        return
    begin = end = size = 0
    for paragraph in _PARAGRAPH.finditer(text):
        own = count(paragraph[0])
        if size and (size >= _ENOUGH * tokens or size + own > tokens):
            yield begin, end, size <= tokens
            begin, size = paragraph.start(), 0
        size, end = size + own, paragraph.start() + len(paragraph[0].rstrip())
    if size:
        yield begin, end, size <= tokens


def _markdown(text: str, count: Callable[[str], int], tokens: int, overlap: int) -> Ranges:
    return _split(MarkdownSplitter.from_callback(count, tokens, overlap=overlap), text)


def _auto(text: str, count: Callable[[str], int], tokens: int, overlap: int) -> Ranges:
    return (_markdown if _HEADING.search(text) else _recursive)(text, count, tokens, overlap)


def _split(splitter: Any, text: str) -> Ranges:
    for start, chunk in splitter.chunk_indices(text):
        yield start, start + len(chunk)


def _sentences(text: str, count: Callable[[str], int], tokens: int, overlap: int) -> Ranges:
    """Whole sentences, as many as fit; one that is too long is split further."""
    chosen: list[tuple[int, int, int]] = []
    for start, end in _sentence_ranges(text):
        size = count(text[start:end])
        while chosen and sum(each[2] for each in chosen) + size > tokens:
            yield chosen[0][0], chosen[-1][1]
            # The last sentences, as far as the overlap allows, but never all of them.
            rest = chosen[1:]
            while rest and sum(each[2] for each in rest) > overlap:
                rest = rest[1:]
            chosen = rest if sum(each[2] for each in rest) + size <= tokens else []
        if size > tokens:
            yield from ((start + first, start + last) for first, last in _recursive(text[start:end], count, tokens, 0))
        else:
            chosen.append((start, end, size))
    if chosen:
        yield chosen[0][0], chosen[-1][1]


@functools.cache
def _sentence_splitter() -> Any:
    import spacy

    splitter = spacy.blank("xx")
    splitter.add_pipe("sentencizer")
    return splitter


def _sentence_ranges(text: str) -> Ranges:
    for sentence in _sentence_splitter()(text).sents:
        found = sentence.text.strip()
        if found:
            start = sentence.start_char + sentence.text.index(found)
            yield start, start + len(found)


def _tokens(text: str, count: Callable[[str], int], tokens: int, overlap: int) -> Ranges:
    """Words, as many as fit, wherever a sentence ends."""
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", text)]
    sizes = [count(text[start:end]) for start, end in words]
    first = 0
    while first < len(words):
        last, total = first, 0
        while last < len(words) and total + sizes[last] <= tokens:
            total += sizes[last]
            last += 1
        if last == first:
            start, end = words[first]
            yield from ((start + a, start + b) for a, b in _recursive(text[start:end], count, tokens, 0))
            first += 1
            continue
        yield words[first][0], words[last - 1][1]
        if last == len(words):
            return
        back, repeated = last, 0
        while back - 1 > first and repeated + sizes[back - 1] <= overlap:
            back -= 1
            repeated += sizes[back]
        first = back


_SPLITTERS: dict[str, Callable[..., Ranges]] = {
    "auto": _auto,
    "recursive": _recursive,
    "markdown": _markdown,
    "sentences": _sentences,
    "tokens": _tokens,
}
