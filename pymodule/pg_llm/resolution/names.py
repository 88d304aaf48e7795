"""How much two names speak for one thing: their words, weighed by how rare they are among all names of that type.

Misspelt and shortened words count nearly as much as equal ones; what only one name has counts against it, what each
has instead of the other's counts more, and another number most of all.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.distance import edits

_LONGEST = 200
_WORDS = re.compile(r"\d+(?:[.,]\d+)+|\d+|[^\W\d_]+(?:['’][^\W\d_]+)*")
_POINTS = re.compile(r"\b(?:[^\W\d_]\.){2,}(?:[^\W\d_]\b)?")
_ROMAN = re.compile(r"(?=[ivx]{2})x{0,2}(?:ix|iv|v?i{0,3})")
# Words that tell next to nothing apart, in any collection.
_SMALL = frozenset(
    "a an and at de del der des di du for in la le of on the und van von y"
    " ag bv co company corp corporation gmbh inc incorporated limited llc llp ltd nv oy plc pty sa sarl se spa srl"
    " dr frau herr miss mr mrs ms prof professor sir".split()
)
_LITTLE = 0.15
# A beginning as long as this may stand for a word where another word of the names is equal.
_SHORTENED = 3
_ACRONYM = range(2, 8)
_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Name:
    """A name's words in order, without marks and accents, and their letters and digits in one."""

    words: tuple[str, ...]
    joined: str
    short: bool
    whole: bool

    @property
    def initials(self) -> set[str]:
        """What the words' first letters make, with the small words and without; nothing for one word."""
        if len(self.words) < 2:
            return set()
        return {"".join(word[0] for word in words) for words in (self.words, self.telling)}

    @property
    def telling(self) -> list[str]:
        """The words without the small ones."""
        return [word for word in self.words if word not in _SMALL]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How two names compare: shares of their weight, and what was noticed."""

    shared: float
    missing: float
    instead: float
    numbers: bool
    same: bool
    acronym: bool


def name(text: str) -> Name:
    """The parts of a name."""
    plain = unicodedata.normalize("NFKC", text[:_LONGEST]).casefold()
    plain = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    plain = _POINTS.sub(lambda found: found[0].replace(".", ""), plain.replace("&", " and "))
    words = tuple(re.sub("['’]", "", word) for word in _WORDS.findall(plain)) or (plain,)
    letters = re.sub(r"[^\W\d_]|[\s.]", "", text)
    # A single word in capitals may be made of the initials of others.
    short = len(words) == 1 and not letters and len(words[0]) in _ACRONYM and text.upper() == text
    return Name(words, "".join(words), short, len(text) <= _LONGEST)


class Names:
    """All names of a type: their parts, and how much each word of theirs weighs."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._names = [name(text) for text in texts]
        self._texts = texts
        self._found: Counter[str] = Counter(word for each in self._names for word in set(each.words))
        # Values are compared time and again, and entities for every round.
        self._kept = functools.lru_cache(maxsize=_KEPT)(self._compared)

    def __getitem__(self, number: int) -> Name:
        return self._names[number]

    def weight(self, word: str) -> float:
        """What a word tells: that of a rare one is more than 1."""
        if word in _SMALL:
            return _LITTLE
        # One name more, so that what two of two names share still counts.
        share = (self._found[word] + 1) / (len(self._names) + 2)
        return max(_LITTLE, -math.log(share) / math.log(len(self._names) + 2) + _LITTLE)

    def likeness(self, first: int, second: int) -> Likeness:
        """How these two compare."""
        return self._kept(min(first, second), max(first, second))

    def _compared(self, first: int, second: int) -> Likeness:
        one, other = self._names[first], self._names[second]
        whole = one.whole and other.whole or self._texts[first] == self._texts[second]
        if whole and (one.joined == other.joined or sorted(one.words) == sorted(other.words)):
            return Likeness(1, 0, 0, False, True, False)
        if _initials(one, other) or _initials(other, one):
            return Likeness(0.5, 0.5, 0, False, False, True)
        shared, left, right = self._aligned(one.words, other.words)
        total = [sum(map(self.weight, words)) for words in (one.words, other.words)]
        rest = [sum(map(self.weight, words)) for words in (left, right)]
        share = 2 * shared / sum(total)
        numbers = bool(_numbers(left) and _numbers(right))
        instead, missing = min(rest) / max(total), abs(rest[0] - rest[1]) / max(total)
        run = _run_together(one.joined, other.joined)
        if run > share and not numbers:
            return Likeness(run, 0, 0, False, False, False)
        return Likeness(share, missing, instead, numbers, False, False)

    def _aligned(self, one: Sequence[str], other: Sequence[str]) -> tuple[float, list[str], list[str]]:
        """The weight of the words that have a partner, and the words that have none."""
        left, right = list(one), list(other)
        shared = 0.0
        for word in one:
            if word in right:
                shared += self.weight(word)
                left.remove(word)
                right.remove(word)
        company = len(left) < len(one)
        pairs = sorted(
            ((alike, a, b) for a in set(left) for b in set(right) if (alike := self._alike(a, b, company))),
            key=lambda pair: (-pair[0], pair[1:]),
        )
        for alike, a, b in pairs:
            if a in left and b in right:
                left.remove(a)
                right.remove(b)
                shared += alike * (self.weight(a) + self.weight(b)) / 2
        return shared, left, right

    def _alike(self, a: str, b: str, company: bool) -> float:
        found = _word_likeness(min(a, b), max(a, b), company)
        # Misspellings are rare; words that both come up again and again are two words.
        return found * 0.7 if found and min(self._found[a], self._found[b]) > 2 and len(a) > 2 < len(b) else found


@functools.lru_cache(maxsize=100_000)
def _word_likeness(a: str, b: str, company: bool) -> float:
    """From 0 to 1; shortened words count only in the company of equal ones."""
    if a[0].isdigit() or b[0].isdigit() or _roman(a) or _roman(b):
        return 0.0
    short, long = sorted((a, b), key=len)
    if len(short) == 1:
        return 0.8 if company and long[0] == short and len(long) > 2 else 0.0
    if company and short[0] == long[0]:
        if len(short) >= _SHORTENED and long.startswith(short):
            return 0.9
        if _SHORTENED <= len(short) <= 5 and len(long) >= len(short) + 2 and _skips(short, long):
            return 0.8
    most = 0 if len(long) < 4 else 1 if len(long) < 8 else 2
    slips = edits(a, b, most)
    if slips > most:
        return 0.0
    return (1 - slips / len(long)) * (1 if a[0] == b[0] else 0.9)


def _skips(short: str, long: str) -> bool:
    """Whether the letters of one come in the other, in order, and end as it does."""
    rest = iter(long)
    return short[-1] == long[-1] and all(letter in rest for letter in short)


def _run_together(one: str, other: str) -> float:
    """The likeness of all letters in one run, for words that were split or joined; 0 unless it is close."""
    longest = max(len(one), len(other))
    if longest < 6 or abs(len(one) - len(other)) > longest // 10:
        return 0.0
    if re.sub(r"\D", "", one) != re.sub(r"\D", "", other):
        return 0.0
    slips = edits(one, other, longest // 10)
    return 1 - slips / longest if slips <= longest // 10 and one[0] == other[0] else 0.0


def _initials(short: Name, long: Name) -> bool:
    return short.short and short.joined in long.initials


def _roman(word: str) -> bool:
    return bool(_ROMAN.fullmatch(word))


def _numbers(words: Iterable[str]) -> bool:
    return any(word[0].isdigit() or _roman(word) for word in words)


def evidence(found: Likeness, cosine: float | None) -> float:
    """How much a comparison of names and of their meaning speaks for one thing: the logarithm of the odds."""
    meaning = 0.6 if cosine is None else max(0.0, cosine)
    if found.same:
        return 4.0
    if found.acronym:
        return 0.5 + 6 * (meaning - 0.6)
    odds = -6 + 8.5 * found.shared + 4 * (meaning - 0.6) - 3 * found.missing - 8 * found.instead
    return odds - 8 if found.numbers else odds
