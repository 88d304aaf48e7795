"""An index for approximate string matching within an edit distance (Pass-Join, Li and others 2011).

Two texts at distance k share one of k + 2 segments near the same place, so only texts that share one are compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from pg_llm.cleaning.host.detectors.similarity import digits_allow_misspelling, edit_distance

# So many of the texts that share a segment are compared.
_MAX_PER_SEGMENT = 50


class EditDistanceIndex:
    """Texts by their segments; `most` gives the largest edit distance for a text, 0 for none."""

    def __init__(self, texts: Iterable[str], most: Callable[[str], int]) -> None:
        # By length of the text, number of the segment and the segment.
        self._by_segment: defaultdict[tuple[int, int, str], list[str]] = defaultdict(list)
        self._most_by_length: dict[int, int] = {}
        self.texts: list[str] = []
        for text in texts:
            self.texts.append(text)
            if not self._most_by_length.setdefault(len(text), most(text)):
                continue
            for number, (start, end) in enumerate(_segments(len(text), self._most_by_length[len(text)])):
                sharing = self._by_segment[len(text), number, text[start:end]]
                if len(sharing) < _MAX_PER_SEGMENT:
                    sharing.append(text)

    def neighbors(self, text: str) -> Iterator[tuple[str, int]]:
        """Other texts that this one may be a misspelling of, with their edit distance."""
        seen = {text}
        for length, most in self._most_by_length.items():
            if not most or abs(length - len(text)) > most:
                continue
            for number, (start, end) in enumerate(_segments(length, most)):
                for shift in range(-most, most + 1):
                    if start + shift < 0:
                        continue
                    for other in self._by_segment.get((length, number, text[start + shift : end + shift]), ()):
                        if other not in seen:
                            distance = edit_distance(text, other, most)
                            if distance <= most and digits_allow_misspelling(text, other):
                                yield other, distance
                        seen.add(other)


def _segments(length: int, most: int) -> Iterator[tuple[int, int]]:
    """Start and end of the segments of a text of that length."""
    count = min(length, most + 2)
    for number in range(count):
        yield number * length // count, (number + 1) * length // count
