"""English morphology and lexical similarity: stems, identifiers split into words, abbreviations."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from pg_llm.ask.vocabulary import ABBREVIATED_ENDINGS, ABBREVIATIONS, KNOWN_WORDS

_HAN = re.compile(r"[\u3400-\u9fff]")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
# A letter or two of the table's name before a generic word: sname, pid.
_LETTER_PREFIXED = re.compile(r"[a-z]{1,2}(name|title|date|code|type|desc)")
_IRREGULAR = dict(
    entry.split(":")
    for entry in """
    children:child men:man women:woman wives:wife mice:mouse feet:foot criteria:criterion series:series
    species:species ids:id has:have had:have did:do does:do done:do was:be were:be is:be are:be been:be being:be
    am:be bought:buy sold:sell wrote:write written:write made:make paid:pay spent:spend given:give gave:give
    took:take taken:take held:hold won:win lost:lose taught:teach built:build sent:send born:birth began:begin
    got:get analyses:analysis statuses:status buses:bus movies:movie cookies:cookie came:come went:go gone:go
    theses:thesis lives:life shelves:shelf loaves:loaf halves:half knives:knife
""".split()
)
# Irregular past forms.
IRREGULAR_PASTS = frozenset(
    """
    bought sold wrote written made paid spent given gave took taken held won lost taught built sent began got sung
    sang drove driven flew flown ate eaten met read ran left kept led fell grew grown knew known rose shown stood
    spoke wore
""".split()
)
# Bounded, because questions may contain any word.
_cached = lru_cache(maxsize=1 << 15)
_VOWELS = frozenset("aeiou")
_SHORTEST_COMPOUND = 4
# How much of a word an abbreviation must keep: of its letters as a prefix, of its consonants otherwise.
_LEAST_PREFIX, _LEAST_CONSONANTS = 0.4, 0.65
# Scores of an abbreviation that keeps little of a word, and of one that keeps nearly all.
_LEAST_ABBREVIATION_SCORE, _MOST_ABBREVIATION_SCORE = 0.72, 0.92


@_cached
def stem(word: str) -> str:
    """The word without inflection (number, tense); lighter than Porter's stemmer, as names must stay recognisable."""
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
        return stem(word[:-1]) if word.endswith("ings") else word[:-1]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= 3 and re.search("[aeiouy]", base):
            if base[-1] == base[-2] and base[-1] not in "lsz":
                return base[:-1]
            return base + ("e" if _ends_with_silent_e(base) else "")
    return word


def _ends_with_silent_e(base: str) -> bool:
    """True if the verb ends with a silent e: price(d), use(d), locate(d), but visit(ed), own(ed)."""
    return bool(
        re.search(
            r"([^aeiou][aiou](?:[bcdgkmpstuvz])|[aeiou]?[aeo]?[csuvz]|at|iv|(?:[^aeiou])l|in|ir|os|ag|ang|arg)$", base
        )
    ) and not base.endswith(("it", "ss", "own", "er", "on", "et", "join", "ain", "iss", "lis", "min"))


@_cached
def split_name(name: str) -> tuple[str, ...]:
    """The stemmed words of an identifier, with abbreviations expanded: `orderQty_total` is order, quantity, total."""
    words: list[str] = []
    for part in _PARTS.findall(name):
        ending = _LETTER_PREFIXED.fullmatch(part.lower())
        words += ABBREVIATIONS.get(part.lower(), ending[1] if ending else part.lower()).split()
    return tuple(stem(word) for word in words)


def is_verb_form(word: str) -> bool:
    """True for participles, past forms and adverbs, judged by the ending."""
    return word.endswith(("ed", "ing", "ly")) or word in IRREGULAR_PASTS


def split_compound(word: str, known: Collection[str]) -> tuple[str, ...]:
    """The known words that a part of an identifier joins: `unitprice` is unit, price."""
    if len(word) < _SHORTEST_COMPOUND or word in KNOWN_WORDS or not word.isalpha():
        return (word,)
    for middle in range(len(word) - 2, 1, -1):
        parts = (word[:middle], word[middle:])
        if (parts[1] in ABBREVIATED_ENDINGS and len(parts[0]) > 2) or all(
            is_known_word(part) or part in known for part in parts
        ):
            return tuple(stem for part in parts for stem in split_name(part))
    return (word,)


def is_known_word(word: str) -> bool:
    """True for common words of database names and their common abbreviations."""
    return word in ABBREVIATIONS or stem(word) in KNOWN_WORDS


@_cached
def abbreviation_score(short: str, word: str) -> float:
    """The share of a word that its abbreviation keeps; 0 if it does not abbreviate the word.

    An abbreviation is a prefix that ends before a vowel (trans|action) or is long enough (stu|dent), or the first
    letter with most of the consonants (shr for share).
    """
    if not 1 < len(short) < len(word) or short[0] != word[0] or short in KNOWN_WORDS:
        return 0.0
    if word.startswith(short):
        share = len(short) / len(word)
        ends_at_vowel = len(short) > 2 and short[-1] not in _VOWELS and word[len(short)] in _VOWELS
        return share if ends_at_vowel or share >= _LEAST_PREFIX else 0.0
    rest = iter(word)
    if sum(letter in _VOWELS for letter in short[1:]) > 1 or not all(letter in rest for letter in short):
        return 0.0
    share = len(_consonants(short)) / len(_consonants(word))
    return share if share >= _LEAST_CONSONANTS else 0.0


def likely_abbreviations(word: str) -> Iterable[str]:
    """Likely abbreviations of a word: known ones, the prefix before a vowel, the consonants."""
    yield from (short for short, expansion in ABBREVIATIONS.items() if word in expansion.split())
    cuts = (end for end in range(4, len(word) - 1) if word[end] in _VOWELS and word[end - 1] not in _VOWELS)
    yield from itertools.islice((word[:end] for end in cuts), 1)
    yield _consonants(word)


@_cached
def _consonants(word: str) -> str:
    """The first letter and the consonants after it, doubled ones once."""
    return word[:1] + re.sub(r"[aeiou]|(.)(?=\1)", "", word[1:])


@_cached
def word_similarity(a: str, b: str) -> float:
    """How likely a word of a question means a word of a name, from 0 to 1; both are stems, the second may be short."""
    if a == b:
        return 1.0
    if a in KNOWN_WORDS and b in KNOWN_WORDS:
        return 0.0
    # A final s may be a plural or part of the abbreviation.
    forms = () if b in KNOWN_WORDS else (b, f"{b}s", b.removesuffix("s"))
    kept = max((abbreviation_score(form, a) for form in forms), default=0.0)
    return max(
        _prefix_similarity(a, b),
        _LEAST_ABBREVIATION_SCORE + (_MOST_ABBREVIATION_SCORE - _LEAST_ABBREVIATION_SCORE) * kept if kept else 0.0,
    )


def _prefix_similarity(a: str, b: str) -> float:
    """The similarity of words with a common prefix."""
    short, long = sorted((a, b), key=len)
    if len(short) >= 4 and long.startswith(short) and len(short) >= 0.6 * len(long):
        return 0.8
    common = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(short))
    if (common >= 4 and common >= 0.75 * len(long)) or (
        common >= 4 and common == len(short) - 1 and len(long) - common <= 4
    ):
        return 0.7
    return 0.0


def contains_chinese(text: str) -> bool:
    """True if the text has Chinese characters."""
    return _HAN.search(text) is not None
