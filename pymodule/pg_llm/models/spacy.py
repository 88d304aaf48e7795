"""Entities by a spaCy pipeline: its token vectors and its recogniser, nothing else of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy

from pg_llm.models.engine import Encoded, Text

_NEEDED = ("tok2vec", "transformer", "ner")
# Characters of a window; pieces end at white space.
_WINDOW = 4000
# Readings of a text that are compared; their shares are the entities' scores.
_BEAM = 8


class SpacyModel:
    """`forward` gives for each window a list of (label, start, end, score), in characters of the whole text."""

    task = "entities"
    engine = "spacy"
    device = "cpu"
    batch_tokens = 8192

    def __init__(self, folder: Path) -> None:
        # What is left out is not even loaded.
        others = [item.name for item in folder.iterdir() if item.is_dir() and item.name not in (*_NEEDED, "vocab")]
        self._pipeline = spacy.load(folder, exclude=others)
        self._recogniser: Any = self._pipeline.get_pipe("ner")
        self._before = [part for name, part in self._pipeline.pipeline if name != "ner"]
        self.bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        self.details: dict[str, Any] = {"labels": sorted(self._recogniser.labels)}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Encoded]]:
        """Pieces of some thousand characters; cost is a rough count of tokens, four characters each."""
        return [
            [Encoded((text[start:end], start), (end - start) // 4 + 1) for start, end in _pieces(str(text))]
            for text in texts
        ]

    def forward(self, batch: Sequence[Encoded]) -> Any:
        """The entities of each window, in order of their places."""
        docs = [self._pipeline.make_doc(item.tokens[0]) for item in batch]
        for part in self._before:
            docs = list(part.pipe(docs, batch_size=len(docs)))
        beams = self._recogniser.beam_parse(docs, beam_width=_BEAM, beam_density=0.001)
        return [
            _entities(doc, self._recogniser.moves.get_beam_parses(beam), item.tokens[1])
            for doc, beam, item in zip(docs, beams, batch, strict=True)
        ]


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


def _pieces(text: str) -> list[tuple[int, int]]:
    found = []
    start = 0
    while start < len(text):
        end = min(start + _WINDOW, len(text))
        if end < len(text):
            # A word that is longer than half a window is cut.
            last = max((match.start() for match in re.finditer(r"\s", text[start:end])), default=0)
            end = start + last if last > _WINDOW // 2 else end
        found.append((start, end))
        start = end
    return found
