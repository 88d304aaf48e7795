"""Entities by a spaCy pipeline's recogniser, and on demand words by its tagger, lemmatizer and parser."""

from __future__ import annotations

import itertools
import re
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy

from pg_llm.models.engine import Text, Window, Word

_NEEDED = ("tok2vec", "transformer", "ner")
_PARSING = ("tok2vec", "transformer", "tagger", "attribute_ruler", "lemmatizer", "morphologizer", "parser")
# Characters and tokens of a window, which ends at white space: the time for one grows with the square of its tokens
# where they are not apart.
_WINDOW, _TOKENS = 2000, 400
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SPACE = re.compile(r"\s")
_SENTENCE = re.compile(r"(?<=[.!?])\s|\n")
# What white space or East Asian characters end, and so many characters of which are no words any more.
_CHUNK = re.compile(r"[^\s\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]++")
_LONGEST = 200
_SIGN = re.compile(r"[\W_]")
# Readings of a text that are compared; their shares are the entities' scores.
_BEAM = 8


class SpacyModel:
    """`forward` gives for each window a list of (label, start, end, score), in characters of the whole text."""

    task = "entities"
    engine = "spacy"
    device = "cpu"
    # Python's lock is held for a whole batch: some 80 ms on one core.
    batch_tokens = 500

    def __init__(self, folder: Path) -> None:
        # What is left out is not even loaded.
        self._folder = folder
        self._pipeline = spacy.load(folder, exclude=_others(folder, _NEEDED))
        self._parser: Any = None
        # The pipelines share a vocabulary, which what a text brings is taken out of again.
        self._running = threading.Lock()
        self._recogniser: Any = self._pipeline.get_pipe("ner")
        self._before = [part for name, part in self._pipeline.pipeline if name != "ner"]
        self.bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        self.details: dict[str, Any] = {"labels": sorted(self._recogniser.labels)}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Pieces of some hundred words."""
        return [
            [Window((text[start:end], start), cost) for start, end, cost in _pieces(text)]
            for text in map(readable, map(str, texts))
        ]

    def parse(self, texts: Sequence[str], start: int = 0) -> list[list[Window]]:
        """Pieces that end with a sentence where they can; `forward` gives their words."""
        return [
            [Window((text[first:last], start + first, True), cost) for first, last, cost in _pieces(text, _SENTENCE)]
            for text in map(readable, texts)
        ]

    def forward(self, batch: Sequence[Window]) -> Any:
        """The entities of each window, in order of their places; of one to be parsed its words."""
        parsed = [item for item in batch if len(item.tokens) > 2]
        with self._running:
            words = iter(self._words(parsed) if parsed else ())
            entities = iter(self._entities([item for item in batch if len(item.tokens) == 2]))
        return [next(words) if len(item.tokens) > 2 else next(entities) for item in batch]

    def _words(self, batch: Sequence[Window]) -> list[list[Word]]:
        if self._parser is None:
            # Only who asks for relations pays for it.
            others = _others(self._folder, _PARSING)
            self._parser = spacy.load(self._folder, vocab=self._pipeline.vocab, exclude=others)
        with self._parser.memory_zone():
            docs = self._parser.pipe([item.tokens[0] for item in batch], batch_size=len(batch))
            return [_parsed(doc, item.tokens[1]) for doc, item in zip(docs, batch, strict=True)]

    def _entities(self, batch: Sequence[Window]) -> list[Any]:
        if not batch:
            return []
        with self._pipeline.memory_zone():
            docs = [self._pipeline.make_doc(item.tokens[0]) for item in batch]
            for part in self._before:
                docs = list(part.pipe(docs, batch_size=len(docs)))
            beams = self._recogniser.beam_parse(docs, beam_width=_BEAM, beam_density=0.001)
            return [
                _entities(doc, self._recogniser.moves.get_beam_parses(beam), item.tokens[1])
                for doc, beam, item in zip(docs, beams, batch, strict=True)
            ]


def _parsed(doc: Any, offset: int) -> list[Word]:
    return [
        Word(
            offset + token.idx,
            offset + token.idx + len(token),
            token.lemma_,
            token.pos_,
            token.tag_,
            token.dep_,
            token.head.i,
        )
        for token in doc
    ]


def readable(text: str) -> str:
    """The text, of the same length, with blanks for the signs in chunks that are too long for words.

    spaCy's tokenizer takes signs off a chunk one by one, in time that grows with the square of its length.
    """
    return _CHUNK.sub(lambda found: found[0] if len(found[0]) <= _LONGEST else _SIGN.sub(" ", found[0]), text)


def _entities(doc: Any, parses: Any, offset: int) -> list[tuple[str, int, int, float]]:
    """The entities that more readings contain than not, each with the share of the readings that do."""
    shares: dict[tuple[int, int, str], float] = defaultdict(float)
    whole = 0.0
    for share, entities in parses:
        whole += share
        for entity in entities:
            shares[entity] += share
    found = []
    taken = 0
    for (first, last, label), share in sorted(shares.items(), key=lambda item: (item[0][0], -item[1])):
        if share <= whole / 2 or first < taken:
            continue
        taken = last
        span = doc[first:last]
        found.append((label, offset + span.start_char, offset + span.end_char, share / whole))
    return found


def _others(folder: Path, needed: Sequence[str]) -> list[str]:
    return [item.name for item in folder.iterdir() if item.is_dir() and item.name not in (*needed, "vocab")]


def _pieces(text: str, ends: re.Pattern[str] | None = None) -> list[tuple[int, int, int]]:
    """Places of pieces that end at white space, if they can where `ends` matches; and a rough count of their tokens."""
    found = []
    start = 0
    while start < len(text):
        end = min(start + _WINDOW, len(text))
        tokens = [match.start() for match in itertools.islice(_TOKEN.finditer(text, start, end), _TOKENS + 1)]
        if len(tokens) > _TOKENS:
            end = tokens.pop()
        if end < len(text):
            # A word that is longer than half a window is cut.
            last = 0
            for pattern in (ends, _SPACE):
                if pattern and last <= (end - start) // 2:
                    last = max((match.start() for match in pattern.finditer(text[start:end])), default=0)
            end = start + last if last > (end - start) // 2 else end
        found.append((start, end, len(tokens) + 1))
        start = end
    return found
