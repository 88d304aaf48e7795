"""The task `reference_matching`: a process of the session's own finds values in lists by approximate string matching.

A value that is equal but for case, accents and signs is the match. In a list of countries, languages or currencies,
codes and names of many languages mean what they stand for (ISO 3166, 639 and 4217, CLDR). Else character trigrams
weighted by their rarity (TF-IDF) give candidates, and a logistic regression over string similarities gives the
probability that one is meant.
Each message says in `do` what it is: a question (`match`), or a list (`begin`, `rows`, `end`).
"""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

from pg_llm.values.host import currencies, places
from pg_llm.values.host.characters import folded

# Lists that are kept, the last used ones.
_MOST_LISTS = 8
_CANDIDATES = 30
_MAX_LENGTH = 200
# The probability that an equal value is meant, and of values that share one form.
_EXACT = 0.99
# Learnt on generated lists, half of which were put away; tests/benchmarks/reference_lists.py has both.
_WEIGHTS = (-12.2, -1.466, 9.852, 6.607, 5.138, 0.013, -1.515, 2.134, 2.393)
_MIN_ALIKE = 0.85
# A list of at most so many values is one of countries, languages or currencies if most of them are, read by more than a
# code, as short codes of other things are often codes of these too.
_READERS = (places.country, places.language, currencies.code)
_MAX_READ, _CODE_LENGTH = 1000, 3
# What is left of the probability where each has a number, a code or a word of the list that the other lacks.
_OTHER = 0.3
# Values in which a word must occur to be one of its own.
_ATTESTED = 2
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
# A space that does not part two numbers.
_SPACE = re.compile(r"(?<!\d) | (?!\d)")
_CODE = re.compile(r"(?<![a-z\d])[a-z]*\d[a-z\d]*")


class Match(NamedTuple):
    """The place of a value in a list, and the probability that it is meant."""

    place: int
    score: float


class ReferenceList:
    """A list of distinct values with the index to find them."""

    def __init__(self, keys: Sequence[str], values: Sequence[str]) -> None:
        self.keys = keys
        self.values = values
        self._forms = [folded(value[:_MAX_LENGTH]) for value in values]
        self._exact: defaultdict[str, list[int]] = defaultdict(list)
        for place, form in enumerate(self._forms):
            self._exact[form].append(place)
        self._grams: dict[str, int] = {}
        postings: list[list[int]] = []
        words: defaultdict[str, int] = defaultdict(int)
        for place, form in enumerate(self._forms):
            for gram in _trigrams(form):
                number = self._grams.setdefault(gram, len(postings))
                if number == len(postings):
                    postings.append([])
                postings[number].append(place)
            for word in set(form.split()):
                words[word] += 1
        self._postings = [np.array(each, dtype=np.int32) for each in postings]
        self._rarity = [math.log((1 + len(values)) / (1 + len(each))) + 0.1 for each in postings]
        self._words = words
        norms = np.zeros(len(values))
        for each, rarity in zip(self._postings, self._rarity, strict=True):
            norms[each] += rarity * rarity
        self._norms = np.sqrt(norms).clip(1e-9)

    def match(self, text: str, k: int, threshold: float) -> list[Match]:
        """At most k values that are meant with at least that probability, the most probable first."""
        form = folded(text[:_MAX_LENGTH])
        if not text.strip():
            return []
        exact = self._exact.get(form, []) if form else []
        if exact:
            # One that is written just so, or all that differ by signs only.
            same = [place for place in exact if self.values[place] == text] or exact
            found = [Match(place, _EXACT / len(same)) for place in same]
        elif (meant := self._meant(text)) is not None:
            found = [Match(place, _EXACT / len(meant)) for place in meant]
        elif not form:
            return []
        else:
            near, features = self.candidates(form)
            scores = 1 / (1 + np.exp(-(features @ np.array(_WEIGHTS[1:]) + _WEIGHTS[0])))
            others = [self._is_other(form, self._forms[place]) for place in near]
            scores *= np.where(others, _OTHER, 1.0)
            # One at most is meant.
            scores = scores / max(1.0, float(scores.sum()))
            found = [Match(int(place), float(score)) for place, score in zip(near, scores, strict=True)]
        found.sort(key=lambda match: (-match.score, match.place))
        return [match for match in found[:k] if match.score >= threshold]

    def _meant(self, text: str) -> Sequence[int] | None:
        """The places of the country, language or currency that a text names, if the list is one of these."""
        for read, of_code in self._meanings:
            code = read(text[:_MAX_LENGTH])
            if code is not None:
                return of_code.get(code, ())
        return None

    @cached_property
    def _meanings(self) -> list[tuple[Callable[[str], str | None], Mapping[str, Sequence[int]]]]:
        """The readers of what most values are, and the places of the values by what they stand for."""
        if len(self.values) > _MAX_READ:
            return []
        found: list[tuple[Callable[[str], str | None], Mapping[str, Sequence[int]]]] = []
        for read in _READERS:
            of_code: defaultdict[str, list[int]] = defaultdict(list)
            for place, value in enumerate(self.values):
                if len(value) > _CODE_LENGTH and (code := read(value[:_MAX_LENGTH])) is not None:
                    of_code[code].append(place)
            if 2 * sum(map(len, of_code.values())) > len(self.values):
                found.append((read, of_code))
        return found

    def candidates(self, form: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The places of the most similar values, and for each its similarities."""
        grams = _trigrams(form)
        known = [self._grams[gram] for gram in grams if gram in self._grams]
        if not known:
            return np.empty(0, dtype=np.int64), np.empty((0, len(_WEIGHTS) - 1))
        cosines = np.zeros(len(self.values))
        for number in known:
            cosines[self._postings[number]] += self._rarity[number] ** 2
        unknown = (len(grams) - len(known)) * (math.log(1 + len(self.values)) + 0.1) ** 2
        norm = math.sqrt(sum(self._rarity[number] ** 2 for number in known) + unknown)
        cosines /= self._norms * norm
        places = np.argpartition(-cosines, min(_CANDIDATES, len(cosines) - 1))[:_CANDIDATES]
        places = places[np.lexsort((places, -cosines[places]))]
        best = cosines[places]
        rows = []
        for rank, place in enumerate(places.tolist()):
            rival = float(best[0] if rank else best[1] if len(best) > 1 else 0.0)
            rows.append([float(best[rank]), float(best[rank]) - rival, *self._similarities(form, self._forms[place])])
        return places, np.array(rows)

    def _similarities(self, one: str, other: str) -> list[float]:
        digits = ["".join(filter(str.isdecimal, text)) for text in (one, other)]
        return [
            fuzz.token_sort_ratio(one, other) / 100,
            JaroWinkler.normalized_similarity(one, other),
            float(digits[0] != digits[1]),
            min(len(one), len(other)) / max(len(one), len(other), 1),
            self._covered(one, other),
            self._covered(other, one),
        ]

    def _is_other(self, one: str, other: str) -> bool:
        """Whether a text and a value differ in what is no misspelling: a code, or a word that other values have."""
        return have_other_codes(one, other) or self._have_other_words(one, other)

    def _have_other_words(self, one: str, other: str) -> bool:
        """Whether the text has a word of the list in the place of another one: Brandt Bau is not Brandt Holz."""
        words, others = one.split(), other.split()
        lacked = [word for word in words if self._words.get(word, 0) >= _ATTESTED and not _has(others, word)]
        return bool(lacked) and any(self._words[word] >= _ATTESTED and not _has(words, word) for word in others)

    def _covered(self, one: str, other: str) -> float:
        """The share of a text's words, weighted by rarity, that the other has, misspelt ones too."""
        others = other.split()
        total = shared = 0.0
        for word in one.split():
            rarity = math.log((2 + len(self.values)) / (1 + self._words.get(word, 0)))
            total += rarity
            alike = max((JaroWinkler.normalized_similarity(word, each) for each in others), default=0.0)
            shared += rarity * (alike if alike >= _MIN_ALIKE else 0.0)
        return shared / total if total else 0.0


def have_other_codes(one: str, other: str) -> bool:
    """Whether each of two names has a number or code that the other lacks: X K-24 drill is not X K-12 drill.

    What has no word beside its codes is no name: there a code is misspelt rather than another one.
    """
    texts = [_LEADING_ZEROS.sub("", text) for text in (one, other)]
    return all(any(map(str.isalpha, _CODE.sub("", text))) for text in texts) and all(
        any(_lacks(held, code) for code in _CODE.findall(text)) for text, held in (texts, reversed(texts))
    )


def _has(words: Sequence[str], word: str) -> bool:
    """Whether the word is among the words: abbreviated, in full, or as a part of one."""
    return any(word in each or each in word or _abbreviates(each, word) or _abbreviates(word, each) for each in words)


def _abbreviates(short: str, long: str) -> bool:
    """Whether the short form has the first letter and further ones of the long one, in their order."""
    letters = iter(long)
    return short[:1] == long[:1] and all(letter in letters for letter in short)


def _lacks(text: str, code: str) -> bool:
    """Whether a text does not have the code, be it written together with other words or apart."""
    joined = (text.replace(" ", ""), _SPACE.sub("", text))
    return not any(re.search(rf"(?<!\d){re.escape(code)}(?!\d)", each) for each in joined)


def _trigrams(form: str) -> set[str]:
    padded = f" {form} "
    return {padded[place : place + 3] for place in range(len(padded) - 2)}


class _Lists:
    """The lists that the session has used last, and the one that is being read."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, ReferenceList] = OrderedDict()
        self._keys: list[str] = []
        self._values: list[str] = []

    def find(self, digest: str) -> ReferenceList | None:
        """The list with that digest."""
        if digest in self._kept:
            self._kept.move_to_end(digest)
        return self._kept.get(digest)

    def begin(self) -> None:
        """A list follows."""
        self._keys, self._values = [], []

    def add(self, keys: Sequence[str], values: Sequence[str]) -> None:
        """The next rows of it."""
        self._keys += keys
        self._values += values

    def end(self, digest: str) -> None:
        """It is complete."""
        self._kept[digest] = ReferenceList(self._keys, self._values)
        self.begin()
        if len(self._kept) > _MOST_LISTS:
            self._kept.popitem(last=False)


_lists = _Lists()


def run_in_worker(options: dict[str, Any], *texts: str) -> str:
    """The answer to one message: JSON, null for a list that is not known; empty for parts of a list."""
    match options["do"]:
        case "begin":
            _lists.begin()
        case "rows":
            _lists.add(*(json.loads(text) for text in texts))
        case "end":
            _lists.end(options["digest"])
        case "match":
            found = _lists.find(options["digest"])
            if found is None:
                return "null"
            matches = (found.match(text, options["k"], options["threshold"]) for text in texts)
            return json.dumps(
                [[[found.keys[m.place], found.values[m.place], m.score] for m in each] for each in matches]
            )
    return ""
