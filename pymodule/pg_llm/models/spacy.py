"""Named entities by a spaCy pipeline, and on demand words with lemma, part of speech and dependency."""

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

_NER_PARTS = ("tok2vec", "transformer", "ner")
_PARSER_PARTS = ("tok2vec", "transformer", "tagger", "attribute_ruler", "lemmatizer", "morphologizer", "parser")
# Characters and tokens of a window, which ends at white space: spaCy's tokenizer needs time quadratic in the length of
# a run without white space.
_WINDOW, _MAX_TOKENS = 2000, 400
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SPACE = re.compile(r"\s")
_SENTENCE = re.compile(r"(?<=[.!?])\s|\n")
# Runs that white space or East Asian characters end; a run longer than this many characters is no word.
_CHUNK = re.compile(r"[^\s\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]++")
_MAX_WORD_LENGTH = 200
_PUNCTUATION = re.compile(r"[\W_]")
# Width of the beam search over parses, whose probability mass is an entity's score.
_BEAM = 8


class SpacyModel:
    """`forward` gives for each window a list of (label, start, end, score), in characters of the whole text."""

    task = "entities"
    engine = "spacy"
    device = "cpu"
    # spaCy holds Python's lock for a whole batch: some 80 ms on one core.
    batch_tokens = 500

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pipeline = spacy.load(folder, exclude=_parts_except(folder, _NER_PARTS))
        self._parser: Any = None
        # The pipelines share a vocabulary, from which a text's words are removed again (memory_zone).
        self._running = threading.Lock()
        self._recogniser: Any = self._pipeline.get_pipe("ner")
        self._before_ner = [part for name, part in self._pipeline.pipeline if name != "ner"]
        self.bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        self.details: dict[str, Any] = {"labels": sorted(self._recogniser.labels)}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Windows of some hundred words."""
        return [
            [Window((text[start:end], start), cost) for start, end, cost in _split(text)]
            for text in map(blank_long_runs, map(str, texts))
        ]

    def parse(self, texts: Sequence[str], start: int = 0) -> list[list[Window]]:
        """Windows that end with a sentence where they can, for which `forward` gives words."""
        return [
            [Window((text[first:last], start + first, True), cost) for first, last, cost in _split(text, _SENTENCE)]
            for text in map(blank_long_runs, texts)
        ]

    def forward(self, batch: Sequence[Window]) -> Any:
        """The entities of each window in order of position, or the words of a window that is to be parsed."""
        parsed = [item for item in batch if len(item.tokens) > 2]
        with self._running:
            words = iter(self._words(parsed) if parsed else ())
            entities = iter(self._entities([item for item in batch if len(item.tokens) == 2]))
        return [next(words) if len(item.tokens) > 2 else next(entities) for item in batch]

    def _words(self, batch: Sequence[Window]) -> list[list[Word]]:
        if self._parser is None:
            # Loaded on demand: only relation extraction needs it.
            excluded = _parts_except(self._folder, _PARSER_PARTS)
            self._parser = spacy.load(self._folder, vocab=self._pipeline.vocab, exclude=excluded)
        with self._parser.memory_zone():
            docs = self._parser.pipe([item.tokens[0] for item in batch], batch_size=len(batch))
            return [_parsed(doc, item.tokens[1]) for doc, item in zip(docs, batch, strict=True)]

    def _entities(self, batch: Sequence[Window]) -> list[Any]:
        if not batch:
            return []
        with self._pipeline.memory_zone():
            docs = [self._pipeline.make_doc(item.tokens[0]) for item in batch]
            for part in self._before_ner:
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


def blank_long_runs(text: str) -> str:
    """The text, of the same length, with blanks for the punctuation in runs that are too long for words.

    spaCy's tokenizer takes punctuation off a run one by one, in time quadratic in its length.
    """
    return _CHUNK.sub(lambda run: run[0] if len(run[0]) <= _MAX_WORD_LENGTH else _PUNCTUATION.sub(" ", run[0]), text)


def _entities(doc: Any, parses: Any, offset: int) -> list[tuple[str, int, int, float]]:
    """The entities that most of the parses' probability mass contains, each with that share as score."""
    shares: dict[tuple[int, int, str], float] = defaultdict(float)
    total = 0.0
    for share, parsed in parses:
        total += share
        for entity in parsed:
            shares[entity] += share
    entities = []
    end = 0
    for (first, last, label), share in sorted(shares.items(), key=lambda item: (item[0][0], -item[1])):
        if share <= total / 2 or first < end:
            continue
        end = last
        span = doc[first:last]
        entities.append((label, offset + span.start_char, offset + span.end_char, share / total))
    return entities


def _parts_except(folder: Path, needed: Sequence[str]) -> list[str]:
    return [item.name for item in folder.iterdir() if item.is_dir() and item.name not in (*needed, "vocab")]


def _split(text: str, ends: re.Pattern[str] | None = None) -> list[tuple[int, int, int]]:
    """Ranges that end at white space, where `ends` matches if possible, each with a rough count of its tokens."""
    ranges = []
    start = 0
    while start < len(text):
        end = min(start + _WINDOW, len(text))
        tokens = [match.start() for match in itertools.islice(_TOKEN.finditer(text, start, end), _MAX_TOKENS + 1)]
        if len(tokens) > _MAX_TOKENS:
            end = tokens.pop()
        if end < len(text):
            # A word longer than half a window is split.
            last = 0
            for pattern in (ends, _SPACE):
                if pattern and last <= (end - start) // 2:
                    last = max((match.start() for match in pattern.finditer(text[start:end])), default=0)
            end = start + last if last > (end - start) // 2 else end
        ranges.append((start, end, len(tokens) + 1))
        start = end
    return ranges
