"""Title case of names and headings."""

from __future__ import annotations

import re

from pg_llm.models.dictionary import english

# They stay small inside a name or a heading.
_PARTICLES = frozenset(
    """
    van von der den de del della di da dos das do du des la le les el al bin ibn ten ter zu zur zum y e und and of the
    a an in on at for to or et
""".split()
)
_NUMERAL = re.compile(r"(?:II|III|IV|VI|VII|VIII|IX|XI|XII|XIII|XIV|XV|XVI)", re.IGNORECASE)
_ONE_LETTER = re.compile(r"([^\W\d_])(['\u2019])([^\W\d_])(?=[^\W\d_]{2})")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
# Letters of an acronym at most, and how frequent a word among small letters may be that is one (IBM).
_ACRONYM_LENGTH = 4
_RARE = 5e-7


def title(text: str) -> str:
    """Each word with a capital; acronyms, words with a capital inside and particles stay as they are.

    A text without any small letter, or without any capital, tells nothing of its words' own case.
    """
    is_mixed = text != text.upper() and text != text.lower()
    words = list(_WORD.finditer(text))
    pieces, end = [], 0
    for number, match in enumerate(words):
        pieces += [text[end : match.start()], _word(match[0], is_mixed, number, len(words))]
        end = match.end()
    return "".join(pieces) + text[end:]


def _word(word: str, is_mixed: bool, number: int, count: int) -> str:
    lower = word.lower()
    if is_mixed and (_has_capital_inside(word) or (word[0].isupper() and lower in _PARTICLES)):
        return word
    if lower in _PARTICLES and number > 0:
        return lower
    if number == count - 1 > 0 and _NUMERAL.fullmatch(word):
        return word.upper()
    # Among capitals alone, a word that English lacks is a name as often as not.
    if (is_mixed or count == 1) and _is_acronym(word, is_mixed):
        return word
    if match := _ONE_LETTER.match(lower):
        return match[1].upper() + match[2] + match[3].upper() + lower[3:]
    if re.match("mc[a-z]{4}", lower):
        return "Mc" + lower[2].upper() + lower[3:]
    return lower[:1].upper() + lower[1:]


def _has_capital_inside(word: str) -> bool:
    """Whether a word has its own case: iPhone, McDonald, GmbH."""
    return word != word.upper() and word[1:] != word[1:].lower()


def _is_acronym(word: str, is_mixed: bool) -> bool:
    """Whether capitals are a short word that English lacks, or that it hardly has where others are small."""
    if not (word.isupper() and word.isascii() and word.isalpha() and 2 <= len(word) <= _ACRONYM_LENGTH):
        return False
    frequency: float = english().word_usage_frequency(word.lower())
    return frequency < (_RARE if is_mixed else 1e-12)
