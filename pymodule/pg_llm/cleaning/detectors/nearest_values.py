"""Which of many texts are nearly a given one, without comparing it with all of them (Pass-Join, Li and others 2011)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from pg_llm.cleaning.detectors.distance import edits, may_be_misspelt

# Of texts that share a part with one another, so many are compared.
_MOST = 50


class Neighbours:
    """Texts by their parts: of two that differ in k places, one of k + 2 parts is the same, near the same place."""

    def __init__(self, texts: Iterable[str], most: Callable[[str], int]) -> None:
        self._parts: defaultdict[tuple[int, int, str], list[str]] = defaultdict(list)
        self._edits: dict[int, int] = {}
        self.texts: list[str] = []
        for text in texts:
            self.texts.append(text)
            if not self._edits.setdefault(len(text), most(text)):
                continue
            for number, (start, end) in enumerate(_places(len(text), self._edits[len(text)])):
                its = self._parts[len(text), number, text[start:end]]
                if len(its) < _MOST:
                    its.append(text)

    def of(self, text: str) -> Iterator[tuple[str, int]]:
        """Other texts that this one may be a misspelling of, and by how many edits."""
        seen = {text}
        for length, most in self._edits.items():
            if not most or abs(length - len(text)) > most:
                continue
            for number, (start, end) in enumerate(_places(length, most)):
                for shift in range(-most, most + 1):
                    if start + shift < 0:
                        continue
                    for other in self._parts.get((length, number, text[start + shift : end + shift]), ()):
                        if other not in seen and may_be_misspelt(text, other):
                            cost = edits(text, other, most)
                            if cost <= most:
                                yield other, cost
                        seen.add(other)


def _places(length: int, most: int) -> Iterator[tuple[int, int]]:
    """Where the parts of a text of that length begin and end."""
    count = min(length, most + 2)
    for number in range(count):
        yield number * length // count, (number + 1) * length // count
