"""English words: their stems, names split into words, and how surely one stands for another."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from pg_llm.ask.grammar.vocabulary import ALIKE, ENDINGS, KNOWN, SHORT, WHOLE

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
# A letter or two of the table's name before what a column holds: sname, pid.
_PREFIXED = re.compile(r"[a-z]{1,2}(name|title|date|code|type|desc)")
_IRREGULAR = {
    "children": "child",
    "men": "man",
    "women": "woman",
    "wives": "wife",
    "mice": "mouse",
    "feet": "foot",
    "criteria": "criterion",
    "series": "series",
    "species": "species",
    "ids": "id",
    "has": "have",
    "had": "have",
    "did": "do",
    "does": "do",
    "done": "do",
    "was": "be",
    "were": "be",
    "is": "be",
    "are": "be",
    "been": "be",
    "being": "be",
    "am": "be",
    "bought": "buy",
    "sold": "sell",
    "wrote": "write",
    "written": "write",
    "made": "make",
    "paid": "pay",
    "spent": "spend",
    "given": "give",
    "gave": "give",
    "took": "take",
    "taken": "take",
    "held": "hold",
    "won": "win",
    "lost": "lose",
    "taught": "teach",
    "built": "build",
    "sent": "send",
    "born": "birth",
    "began": "begin",
    "got": "get",
    "analyses": "analysis",
    "statuses": "status",
    "buses": "bus",
    "movies": "movie",
    "cookies": "cookie",
    "came": "come",
    "went": "go",
    "gone": "go",
    "theses": "thesis",
    "lives": "life",
    "shelves": "shelf",
}
# Verbs of the past that show no ending.
PAST = {
    "bought",
    "sold",
    "wrote",
    "written",
    "made",
    "paid",
    "spent",
    "given",
    "gave",
    "took",
    "taken",
    "held",
    "won",
    "lost",
    "taught",
    "built",
    "sent",
    "began",
    "got",
    "sung",
    "sang",
    "drove",
    "driven",
    "flew",
    "flown",
    "ate",
    "eaten",
    "met",
    "read",
    "ran",
    "left",
    "kept",
    "led",
    "fell",
    "grew",
    "grown",
    "knew",
    "known",
    "rose",
    "shown",
    "stood",
    "spoke",
    "wore",
}
# Questions have words without end.
_remembered = lru_cache(maxsize=1 << 15)
_VOWELS = frozenset("aeiou")
_SHORTEST_COMPOUND = 4
# Shares of a word that its short form must keep: of its letters where it is cut anywhere, of its consonants.
_MUCH, _MOST = 0.4, 0.6
# What a short form is worth that keeps nearly nothing of a word, and nearly all.
_LEAST_SHORT, _MOST_SHORT = 0.72, 0.92


@_remembered
def stem(word: str) -> str:
    """A word without the endings of number, person and tense."""
    word = word.lower().removesuffix("'s").removesuffix("\u2019s")
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith("people"):
        return f"{word[:-6]}person"
    for ending, other in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("zes", "z")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + other
    if word.endswith("s") and word[-2] not in "sui":
        return word[:-1]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= 3 and re.search("[aeiouy]", base):
            if base[-1] == base[-2] and base[-1] not in "lsz":
                return base[:-1]
            return base + ("e" if _wants_e(base) else "")
    return word


def _wants_e(base: str) -> bool:
    """Whether the verb behind a base ends with an e: price(d), use(d), locate(d), but visit(ed), own(ed)."""
    return bool(
        re.search(
            r"([^aeiou][aiou](?:[bcdgkmpstuvz])|[aeiou]?[aeo]?[csuvz]|at|iv|(?:[^aeiou])l|in|ir|os|ag|ang|arg)$", base
        )
    ) and not base.endswith(("it", "ss", "own", "er", "on", "et", "join", "ain", "iss", "lis", "min"))


@_remembered
def split(name: str) -> tuple[str, ...]:
    """The words of a name, stemmed, short forms in full: `orderQty_total` is order, quantity, total."""
    words: list[str] = []
    for part in _PARTS.findall(name):
        ending = _PREFIXED.fullmatch(part.lower())
        words += SHORT.get(part.lower(), ending[1] if ending else part.lower()).split()
    return tuple(stem(word) for word in words)


def acts(word: str) -> bool:
    """Whether its form says what is or was done, or how."""
    return word.endswith(("ed", "ing", "ly")) or word in PAST


def compound(word: str, known: Collection[str]) -> tuple[str, ...]:
    """The words of a name's part that are written as one, if they are known: `unitprice` is unit, price."""
    if len(word) < _SHORTEST_COMPOUND or word in KNOWN or not word.isalpha():
        return (word,)
    for cut in range(len(word) - 2, 1, -1):
        parts = (word[:cut], word[cut:])
        if parts[1] in ENDINGS or all(is_known(part) or part in known for part in parts):
            return tuple(each for part in parts for each in split(part))
    return (word,)


def is_whole(word: str) -> bool:
    """Whether it is a word of its own, no short form of another."""
    return word in WHOLE or word in KNOWN


def is_known(word: str) -> bool:
    """Whether it is a common word, or a common short form of one."""
    return word in SHORT or stem(word) in KNOWN


@_remembered
def abbreviates(short: str, word: str) -> float:
    """How much of a word is left in its short form, from 0 (it is none) to 1.

    A short form is how the word begins, up to a vowel (trans|action) or a good part of it (stu|dent), or its first
    letter and most of the consonants (shr of share).
    """
    if not 1 < len(short) < len(word) or short[0] != word[0] or is_whole(short):
        return 0.0
    if word.startswith(short):
        share = len(short) / len(word)
        cut = len(short) > 2 and short[-1] not in _VOWELS and word[len(short)] in _VOWELS
        return share if cut or share >= _MUCH else 0.0
    rest = iter(word)
    if sum(letter in _VOWELS for letter in short[1:]) > 1 or not all(letter in rest for letter in short):
        return 0.0
    share = len(_consonants(short)) / len(_consonants(word))
    return share if share >= _MOST else 0.0


def shortened(word: str) -> Iterable[str]:
    """Short forms that names may well have of a word: known ones, the word up to a vowel, its consonants."""
    yield from (short for short, said in SHORT.items() if word in said.split())
    cuts = (end for end in range(4, len(word) - 1) if word[end] in _VOWELS and word[end - 1] not in _VOWELS)
    yield from itertools.islice((word[:end] for end in cuts), 1)
    yield _consonants(word)


@_remembered
def _consonants(word: str) -> str:
    """A word's first letter and the consonants after it, double ones once."""
    return word[:1] + re.sub(r"[aeiou]|(.)(?=\1)", "", word[1:])


@_remembered
def _sets(word: str) -> frozenset[int]:
    return frozenset(place for place, words in enumerate(ALIKE) if word in words)


def alike(word: str) -> Iterable[str]:
    """The words that may stand for it."""
    return (other for place in _sets(word) for other in ALIKE[place])


@_remembered
def likeness(a: str, b: str) -> float:
    """From 0 to 1, how surely a word of a question means one of a name, which may be short; both are stems."""
    if a == b:
        return 1.0
    if _sets(a) & _sets(b):
        return 0.75
    if a in KNOWN and b in KNOWN:
        return 0.0
    # The ending of a number may be part of a short form, and the other way round.
    forms = () if is_whole(b) else (b, f"{b}s", b.removesuffix("s"))
    left = max((abbreviates(form, a) for form in forms), default=0.0)
    return max(_beginning(a, b), _LEAST_SHORT + (_MOST_SHORT - _LEAST_SHORT) * left if left else 0.0)


def _beginning(a: str, b: str) -> float:
    """How surely words mean the same that begin alike."""
    short, long = sorted((a, b), key=len)
    if len(short) >= 4 and long.startswith(short) and len(short) >= 0.6 * len(long):
        return 0.8
    common = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(short))
    if (common >= 4 and common >= 0.75 * len(long)) or (
        common >= 4 and common == len(short) - 1 and len(long) - common <= 4
    ):
        return 0.7
    return 0.0
