"""Similarity of names in the manner of soft TF-IDF (Cohen, Ravikumar and Fienberg 2003).

Words are weighted by their rarity among all names of a type; misspelt and shortened words count nearly as much as equal
ones. A word that only one name has counts against a match, a word in place of another counts more, and another number
most of all.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.cleaning.distance import edit_distance

_MAX_CHARACTERS = 200
_CACHE_SIZE = 100_000
_WORDS = re.compile(r"\d+(?:[.,]\d+)+|\d+|[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_DOTTED_INITIALS = re.compile(r"\b(?:[^\W\d_]\.){2,}(?:[^\W\d_]\b)?")
_ROMAN_NUMERAL = re.compile(r"(?=[ivx]{2})x{0,2}(?:ix|iv|v?i{0,3})")
_VOWELS = frozenset("aeiou")
# Function words, legal forms and titles, which distinguish next to nothing in any collection.
_FILLER_WORDS = frozenset(
    """a an and at de del der des di du for in la le of on the und van von y
    ag bv co company corp corporation gmbh inc incorporated limited llc llp ltd nv oy plc pty sa sarl se spa srl
    dr frau herr miss mr mrs ms prof professor sir""".split()
)
_MIN_WEIGHT, _UBIQUITOUS_WEIGHT = 0.15, 0.03
# A prefix of this length may stand for a word if another word of the names is equal.
_MIN_PREFIX = 3
_ACRONYM_LENGTHS = range(2, 8)
# Letters from which words that were split or joined are recognized.
_MIN_JOINED = 4
_LONG_WORD, _SHORT_WORD = 8, 6
# A missing middle name counts less than a missing first or last word; names have so many words then.
_MIDDLE_FACTOR = 0.5
_MAX_MIDDLE_WORDS = 3
_DEFAULT_COSINE = 0.6
_MISSPELT = 0.85
_TRUNCATED_MISSING = 1.0
# Share of the names, and their number, from which a word is ubiquitous.
_UBIQUITOUS_SHARE, _UBIQUITOUS_COUNT = 0.3, 5


@dataclass(frozen=True, slots=True)
class Name:
    """A name's words in order, without marks and accents, and all of them in one."""

    words: tuple[str, ...]
    joined: str
    is_acronym: bool
    is_complete: bool

    @property
    def content_words(self) -> list[str]:
        """The words without filler words."""
        return [word for word in self.words if word not in _FILLER_WORDS]

    @property
    def initials(self) -> set[str]:
        """The initials of the words, with the filler words and without; none for a single word."""
        if len(self.words) < 2:
            return set()
        return {"".join(word[0] for word in words) for words in (self.words, self.content_words)}


@dataclass(frozen=True, slots=True)
class NameComparison:
    """How two names compare.

    `shared`, `missing` and `replaced` are the shares of the weight of words that both have, that only one has, and that
    each has in place of the other's; `acronym` is the length of one that stands for nothing else, or 1.
    """

    shared: float
    missing: float = 0.0
    replaced: float = 0.0
    numbers_differ: bool = False
    equal: bool = False
    acronym: int = 0


def parse(text: str) -> Name:
    """The words of a name."""
    plain = unicodedata.normalize("NFKC", text[:_MAX_CHARACTERS]).casefold()
    plain = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    plain = _DOTTED_INITIALS.sub(lambda match: match[0].replace(".", ""), plain.replace("&", " and "))
    words = tuple(re.sub("['\u2019]", "", word) for word in _WORDS.findall(plain)) or (plain or text,)
    is_acronym = len(words) == 1 and words[0].isalpha() and len(words[0]) in _ACRONYM_LENGTHS and text.isupper()
    return Name(words, "".join(words), is_acronym, len(text) <= _MAX_CHARACTERS)


def _inverse_frequency(count: int, total: int) -> float:
    return _MIN_WEIGHT + max(0.0, 1 - math.log(count + 1) / math.log(total))


class NameCollection:
    """All names of a type, and the weight of each of their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._names = [parse(text) for text in texts]
        self._texts = texts
        self._frequency: Counter[str] = Counter(word for each in self._names for word in set(each.words))
        total = len(texts) + 2
        # A word in a good part of the names is a kind of thing or the source of the names, and distinguishes none.
        limit = max(_UBIQUITOUS_SHARE * total, _UBIQUITOUS_COUNT)
        self._ubiquitous = {word for word, count in self._frequency.items() if count > limit}
        self._weight = {word: self._word_weight(word, count, total) for word, count in self._frequency.items()}
        self._expansions: defaultdict[str, set[str]] = defaultdict(set)
        for each in self._names:
            for letters in each.initials:
                self._expansions[letters].add("".join(each.content_words))
        # The same values are compared for many entities, and entities in every round.
        self._cached_compare = functools.lru_cache(maxsize=_CACHE_SIZE)(self._compare)

    def __getitem__(self, number: int) -> Name:
        return self._names[number]

    def compare(self, first: int, second: int) -> NameComparison:
        """Compare the names at two positions."""
        return self._cached_compare(min(first, second), max(first, second))

    def _word_weight(self, word: str, count: int, total: int) -> float:
        if word in self._ubiquitous:
            return _UBIQUITOUS_WEIGHT
        return _MIN_WEIGHT if word in _FILLER_WORDS else _inverse_frequency(count, total)

    def _total_weight(self, words: Sequence[str]) -> float:
        return sum(self._weight[word] for word in words)

    def _compare(self, first: int, second: int) -> NameComparison:
        one, other = self._names[first], self._names[second]
        complete = (one.is_complete and other.is_complete) or self._texts[first] == self._texts[second]
        if complete and (one.joined == other.joined or sorted(one.words) == sorted(other.words)):
            return NameComparison(1.0, equal=True)
        for short, long in ((one, other), (other, one)):
            if short.is_acronym and short.joined in long.initials:
                is_ambiguous = len(self._expansions[short.joined]) > 1
                return NameComparison(0.5, 0.5, acronym=1 if is_ambiguous else len(short.joined))
        shared, left, right = self._align(one.words, other.words)
        greater = max(self._total_weight(one.words), self._total_weight(other.words))
        unmatched = [self._total_weight(words) for words in (left, right)]
        in_middle = len({*one.words, *other.words}) <= _MAX_MIDDLE_WORDS and (one.words[0], one.words[-1]) == (
            other.words[0],
            other.words[-1],
        )
        missing = abs(unmatched[0] - unmatched[1]) / greater * (_MIDDLE_FACTOR if in_middle else 1)
        return NameComparison(
            2 * shared / (self._total_weight(one.words) + self._total_weight(other.words)),
            # Two texts that differ and were truncated differ in what was cut off.
            missing if complete else max(missing, _TRUNCATED_MISSING),
            min(unmatched) / greater,
            numbers_differ=all(any(map(self._is_code, words)) for words in (left, right)),
        )

    def _align(self, one: Sequence[str], other: Sequence[str]) -> tuple[float, list[str], list[str]]:
        """The weight of the words that are aligned, and the unmatched words of either name."""
        left, right = list(one), list(other)
        shared = 0.0
        for word in one:
            if word in right:
                shared += self._weight[word]
                left.remove(word)
                right.remove(word)
        if _split_or_joined(left, right):
            return shared + self._total_weight([*left, *right]) / 2, [], []
        # The first pass aligns misspelt words; beside aligned words the second pass accepts shortened ones.
        for _ in range(2):
            has_aligned = len(left) < len(one)
            pairs = sorted(
                (
                    (similarity, a, b)
                    for a in set(left)
                    for b in set(right)
                    # This cheap test excludes most pairs of words.
                    if (a[0] == b[0] or a[1:3] == b[1:3]) and (similarity := self._word_similarity(a, b, has_aligned))
                ),
                key=lambda pair: (-pair[0], pair[1:]),
            )
            for similarity, a, b in pairs:
                if a in left and b in right:
                    left.remove(a)
                    right.remove(b)
                    shared += similarity * (self._weight[a] + self._weight[b]) / 2
            if has_aligned or not (left and right):
                break
        return shared, left, right

    def _is_code(self, word: str) -> bool:
        """Whether a word is a number or a single letter: another one in its place means another thing."""
        return word not in self._ubiquitous and (len(word) == 1 or word[0].isdigit() or _is_roman_numeral(word))

    def _word_similarity(self, a: str, b: str, has_aligned: bool) -> float:
        similarity = _spelling_similarity(min(a, b), max(a, b), has_aligned)
        # Misspellings are rare: two words that are both frequent are rather two words.
        both_frequent = min(self._frequency[a], self._frequency[b]) > 2 and min(len(a), len(b)) > 2
        return similarity * 0.7 if similarity and both_frequent else similarity


@functools.lru_cache(maxsize=_CACHE_SIZE)
def _spelling_similarity(a: str, b: str, has_aligned: bool) -> float:
    """From 0 to 1; shortened words count only where other words of the names are aligned."""
    if a[0].isdigit() or b[0].isdigit() or _is_roman_numeral(a) or _is_roman_numeral(b):
        return 0.0
    short, long = sorted((a, b), key=len)
    if len(short) == 1:
        return 0.8 if has_aligned and long[0] == short and len(long) > 2 else 0.0
    if has_aligned and short[0] == long[0]:
        if len(short) >= _MIN_PREFIX and long.startswith(short):
            return 0.9
        if len(short) <= 5 and len(long) >= len(short) + 2 and _is_contraction(short, long):
            return 0.8
    max_edits = 0 if len(long) < 4 else 1 if len(long) < _LONG_WORD else 2
    distance = edit_distance(a, b, max_edits) if len(set(a) ^ set(b)) <= 2 * max_edits else max_edits + 1
    if distance > max_edits:
        return 0.0
    # One edit in a long word is surely a slip; in a short word it makes another word.
    slip_penalty = 1.6 if len(long) < _SHORT_WORD else 0.6 if distance == 1 and len(long) >= _LONG_WORD else 1.2
    return (1 - distance / len(long) * slip_penalty) * (1 if a[0] == b[0] else 0.9)


def _is_contraction(short: str, long: str) -> bool:
    """Whether the letters of one are a subsequence of the other, and both end alike: "dept" for "department"."""
    rest = iter(long)
    if len(short) < _MIN_PREFIX and not _VOWELS.isdisjoint(short):
        return False
    return short[-1] == long[-1] and all(letter in rest for letter in short)


def _split_or_joined(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether both lists have the same letters, or nearly, as words were split or joined."""
    content = [[word for word in words if word not in _FILLER_WORDS] for words in (left, right)]
    one, other = map("".join, content)
    if len(content[0]) == len(content[1]) or min(len(one), len(other)) < _MIN_JOINED or _digits(one) != _digits(other):
        return False
    max_edits = max(len(one), len(other)) // 10
    return edit_distance(one, other, max_edits) <= max_edits


def _digits(word: str) -> str:
    return re.sub(r"\D", "", word)


def _is_roman_numeral(word: str) -> bool:
    return bool(_ROMAN_NUMERAL.fullmatch(word))


def log_odds(comparison: NameComparison, cosine: float | None) -> float:
    """The log odds that two entities match, from the comparison of their names and the cosine of their embeddings."""
    similarity = _DEFAULT_COSINE if cosine is None else max(0.0, cosine)
    if comparison.equal:
        return 4.0
    if comparison.acronym:
        return min(comparison.acronym, 4) - 1.4 + 3 * (similarity - 0.3)
    if comparison.shared > _MISSPELT and not comparison.replaced:
        # Embedding models know little of misspelt words.
        similarity = max(similarity, 0.5)
    result = -5.8 + 8.5 * comparison.shared + 4 * (similarity - 0.6)
    if comparison.missing < _MIN_WEIGHT:
        result += 25 * max(0.0, similarity - 0.92)
    result -= 3 * comparison.missing + 8 * comparison.replaced
    return result - 8 if comparison.numbers_differ else result
