"""How much two names speak for one thing: their words, weighed by how rare they are among all names of that type.

Misspelt and shortened words count nearly as much as equal ones; what only one name has counts against it, what each
has instead of the other's counts more, and another number most of all.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.cleaning.detectors.distance import edits

_LONGEST = 200
_KEPT = 100_000
_WORDS = re.compile(r"\d+(?:[.,]\d+)+|\d+|[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_POINTS = re.compile(r"\b(?:[^\W\d_]\.){2,}(?:[^\W\d_]\b)?")
_ROMAN = re.compile(r"(?=[ivx]{2})x{0,2}(?:ix|iv|v?i{0,3})")
_VOWELS = frozenset("aeiou")
# Words that tell next to nothing apart, in any collection.
_SMALL = frozenset(
    [
        "a",
        "an",
        "and",
        "at",
        "de",
        "del",
        "der",
        "des",
        "di",
        "du",
        "for",
        "in",
        "la",
        "le",
        "of",
        "on",
        "the",
        "und",
        "van",
        "von",
        "y",
        "ag",
        "bv",
        "co",
        "company",
        "corp",
        "corporation",
        "gmbh",
        "inc",
        "incorporated",
        "limited",
        "llc",
        "llp",
        "ltd",
        "nv",
        "oy",
        "plc",
        "pty",
        "sa",
        "sarl",
        "se",
        "spa",
        "srl",
        "dr",
        "frau",
        "herr",
        "miss",
        "mr",
        "mrs",
        "ms",
        "prof",
        "professor",
        "sir",
    ]
)
_LITTLE, _NOTHING = 0.15, 0.03
# A beginning as long as this may stand for a word where another word of the names is equal.
_SHORTENED = 3
_ACRONYM = range(2, 8)
_RUN = 4
_LONG, _SHORT = 8, 6
# A middle name more says less than a word more at an end.
_INSIDE = 0.5
_MIDDLE = 3
_MEANING = 0.6
_SPELT = 0.85
_CUT = 1.0
_USUAL, _FEW = 0.3, 5


@dataclass(frozen=True, slots=True)
class Name:
    """A name's words in order, without marks and accents, and their letters and digits in one."""

    words: tuple[str, ...]
    joined: str
    short: bool
    whole: bool

    @property
    def telling(self) -> list[str]:
        """The words without the small ones."""
        return [word for word in self.words if word not in _SMALL]

    @property
    def initials(self) -> set[str]:
        """What the words' first letters make, with the small words and without; nothing for one word."""
        if len(self.words) < 2:
            return set()
        return {"".join(word[0] for word in words) for words in (self.words, self.telling)}


@dataclass(frozen=True, slots=True)
class Likeness:
    """How two names compare: shares of their weight, and what was noticed; `acronym` is how telling one is."""

    shared: float
    missing: float = 0.0
    instead: float = 0.0
    numbers: bool = False
    same: bool = False
    acronym: int = 0


def name(text: str) -> Name:
    """The parts of a name."""
    plain = unicodedata.normalize("NFKC", text[:_LONGEST]).casefold()
    plain = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    plain = _POINTS.sub(lambda found: found[0].replace(".", ""), plain.replace("&", " and "))
    words = tuple(re.sub("['\u2019]", "", word) for word in _WORDS.findall(plain)) or (plain or text,)
    # A single word in capitals may be made of the initials of others.
    short = len(words) == 1 and words[0].isalpha() and len(words[0]) in _ACRONYM and text.isupper()
    return Name(words, "".join(words), short, len(text) <= _LONGEST)


def _weight(count: int, many: int) -> float:
    return _LITTLE + max(0.0, 1 - math.log(count + 1) / math.log(many))


class Names:
    """All names of a type: their parts, and how much each word of theirs weighs."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._names = [name(text) for text in texts]
        self._texts = texts
        self._found: Counter[str] = Counter(word for each in self._names for word in set(each.words))
        many = len(texts) + 2
        # A word that a good part of the names have is a kind or a source, and parts none of them.
        self._usual = {word for word, count in self._found.items() if count > max(_USUAL * many, _FEW)}
        # What a word tells is more the fewer names have it.
        self._weight = {
            word: _NOTHING if word in self._usual else _LITTLE if word in _SMALL else _weight(count, many)
            for word, count in self._found.items()
        }
        self._meant: defaultdict[str, set[str]] = defaultdict(set)
        for each in self._names:
            for letters in each.initials:
                self._meant[letters].add("".join(each.telling))
        # Values are compared time and again, and entities in every round.
        self._kept = functools.lru_cache(maxsize=_KEPT)(self._compared)

    def __getitem__(self, number: int) -> Name:
        return self._names[number]

    def likeness(self, first: int, second: int) -> Likeness:
        """How these two compare."""
        return self._kept(min(first, second), max(first, second))

    def _weights(self, words: Sequence[str]) -> float:
        return sum(self._weight[word] for word in words)

    def _compared(self, first: int, second: int) -> Likeness:
        one, other = self._names[first], self._names[second]
        whole = (one.whole and other.whole) or self._texts[first] == self._texts[second]
        if whole and (one.joined == other.joined or sorted(one.words) == sorted(other.words)):
            return Likeness(1.0, same=True)
        for short, long in ((one, other), (other, one)):
            if short.short and short.joined in long.initials:
                # Sure if it is long, and nothing else has the same initials.
                return Likeness(0.5, 0.5, acronym=1 if len(self._meant[short.joined]) > 1 else len(short.joined))
        shared, left, right = self._aligned(one.words, other.words)
        longest = max(self._weights(one.words), self._weights(other.words))
        rest = [self._weights(words) for words in (left, right)]
        inside = len({*one.words, *other.words}) <= _MIDDLE and (one.words[0], one.words[-1]) == (
            other.words[0],
            other.words[-1],
        )
        missing = abs(rest[0] - rest[1]) / longest * (_INSIDE if inside else 1)
        return Likeness(
            2 * shared / (self._weights(one.words) + self._weights(other.words)),
            # Of two long texts that begin alike, what was cut off differs.
            missing if whole else max(missing, _CUT),
            min(rest) / longest,
            numbers=all(any(map(self._code, words)) for words in (left, right)),
        )

    def _aligned(self, one: Sequence[str], other: Sequence[str]) -> tuple[float, list[str], list[str]]:
        """The weight of the words that have a partner, and the words that have none."""
        left, right = list(one), list(other)
        shared = 0.0
        for word in one:
            if word in right:
                shared += self._weight[word]
                left.remove(word)
                right.remove(word)
        if _run_together(left, right):
            return shared + self._weights([*left, *right]) / 2, [], []
        # Once for misspelt words, which keep shortened ones company.
        for _ in range(2):
            company = len(left) < len(one)
            pairs = sorted(
                (
                    (alike, a, b)
                    for a in set(left)
                    for b in set(right)
                    # Most words begin in another way, and are not looked at.
                    if (a[0] == b[0] or a[1:3] == b[1:3]) and (alike := self._alike(a, b, company))
                ),
                key=lambda pair: (-pair[0], pair[1:]),
            )
            for alike, a, b in pairs:
                if a in left and b in right:
                    left.remove(a)
                    right.remove(b)
                    shared += alike * (self._weight[a] + self._weight[b]) / 2
            if company or not (left and right):
                break
        return shared, left, right

    def _code(self, word: str) -> bool:
        """Whether a word is a number or a single letter, which another one contradicts."""
        return word not in self._usual and (len(word) == 1 or word[0].isdigit() or _roman(word))

    def _alike(self, a: str, b: str, company: bool) -> float:
        found = _word_likeness(min(a, b), max(a, b), company)
        # Misspellings are rare; words that both come up again and again are two words.
        return found * 0.7 if found and min(self._found[a], self._found[b]) > 2 and min(len(a), len(b)) > 2 else found


@functools.lru_cache(maxsize=_KEPT)
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
        if len(short) <= 5 and len(long) >= len(short) + 2 and _skips(short, long):
            return 0.8
    most = 0 if len(long) < 4 else 1 if len(long) < _LONG else 2
    slips = edits(a, b, most) if len(set(a) ^ set(b)) <= 2 * most else most + 1
    if slips > most:
        return 0.0
    # One slip in a long word is surely one; another letter in a short word makes another word.
    grave = 1.6 if len(long) < _SHORT else 0.6 if slips == 1 and len(long) >= _LONG else 1.2
    return (1 - slips / len(long) * grave) * (1 if a[0] == b[0] else 0.9)


def _skips(short: str, long: str) -> bool:
    """Whether the letters of one come in the other, in order, and end as it does."""
    rest = iter(long)
    if len(short) < _SHORTENED and not _VOWELS.isdisjoint(short):
        return False
    return short[-1] == long[-1] and all(letter in rest for letter in short)


def _run_together(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether the letters are the same, or nearly, of words that were split or joined."""
    telling = [[word for word in words if word not in _SMALL] for words in (left, right)]
    one, other = map("".join, telling)
    if len(telling[0]) == len(telling[1]) or min(len(one), len(other)) < _RUN or _digits(one) != _digits(other):
        return False
    most = max(len(one), len(other)) // 10
    return edits(one, other, most) <= most


def _digits(word: str) -> str:
    return re.sub(r"\D", "", word)


def _roman(word: str) -> bool:
    return bool(_ROMAN.fullmatch(word))


def evidence(found: Likeness, cosine: float | None) -> float:
    """How much a comparison of names and of their meaning speaks for one thing: the logarithm of the odds."""
    meaning = _MEANING if cosine is None else max(0.0, cosine)
    if found.same:
        return 4.0
    if found.acronym:
        return min(found.acronym, 4) - 1.4 + 3 * (meaning - 0.3)
    if found.shared > _SPELT and not found.instead:
        # Models know little of misspelt words.
        meaning = max(meaning, 0.5)
    odds = -5.8 + 8.5 * found.shared + 4 * (meaning - 0.6)
    if found.missing < _LITTLE:
        odds += 25 * max(0.0, meaning - 0.92)
    odds -= 3 * found.missing + 8 * found.instead
    return odds - 8 if found.numbers else odds
