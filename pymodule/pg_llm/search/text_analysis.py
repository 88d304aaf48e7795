"""Text analysis for full text: what PostgreSQL's text search reads in place of a text, the same for rows and queries.

A text search configuration knows words between spaces. Before it, letters lose case and accents, scripts without
spaces become character bigrams (as good as words in retrieval: Nie and others 2000, Luk and Kwok 2002, for Korean Lee
and Ahn 1996), and codes are split, so that a part of one finds it. Only what lies in Unicode and the standard library
decides, so the result is the same for every session.
"""

from __future__ import annotations

import itertools
import operator
import re
import unicodedata
from collections.abc import Callable

from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_literal

# A tsvector holds 1 MB; the lexemes and positions of so many bytes of any analysed text stay below.
_MAX_BYTES = 300_000
# Only the most frequent terms of a very long query are looked up.
MAX_QUERY_TERMS = 64

# Marks that a search leaves out: accents of Latin and Greek letters and of the Cyrillic io, and the vowel signs of
# Arabic and Hebrew. Elsewhere marks make another letter, as in Cyrillic, or are the only vowels, as in Devanagari.
_MARKS = re.compile(
    "(?<=[A-Za-z\u0370-\u03ff])[\u0300-\u036f]+|(?<=[\u0415\u0435])\u0308"
    "|[\u064b-\u0652\u0670\u0640\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]"
)
# Letters that Unicode does not take apart, and signs that stand for one of ASCII.
_ASCII = {
    "\u00df": "ss", "\u1e9e": "SS", "\u00e6": "ae", "\u00c6": "AE", "\u0153": "oe", "\u0152": "OE", "\u00f8": "o",
    "\u00d8": "O", "\u0142": "l", "\u0141": "L", "\u0111": "d", "\u0110": "D", "\u00f0": "d", "\u00d0": "D",
    "\u00fe": "th", "\u00de": "Th", "\u0131": "i", "\u0127": "h", "\u0126": "H", "\u014b": "n", "\u014a": "N",
    "\u2010": "-", "\u2019": "'", "\u00ad": "",
}  # fmt: skip
_NOT_ASCII = re.compile(f"[{''.join(_ASCII)}]")
# Signs that a server with C as its LC_CTYPE would take for letters.
_SIGNS = re.compile(
    "[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u2190-\u2bff\u3000-\u3004"
    "\u3008-\u3020\u3030\u30fb\ufe10-\ufe6f\uff00-\uff20\U0001f000-\U0001faff]+"
)
# Chinese characters; kana; Hangul.
_CJK = (
    "\u3005-\u3007\u3021-\u3029\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uac00-\ud7a3\u1100-\u11ff"
)
# Letters of Thai, Lao, Burmese and Khmer, and the vowel signs and tones that stand with a letter.
_LETTERS = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6"
    "\u1000-\u102a\u103f\u1050-\u1055\u1780-\u17b3"
)
_TONES = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1059\u17b4-\u17d3"
_CHARACTER = re.compile(f"[{_CJK}]|[{_LETTERS}][{_TONES}]*")
_UNSPACED = re.compile(f"(?:[{_CJK}]|[{_LETTERS}][{_TONES}]*)+")
# What stands between spaces and has a digit; within it, runs of letters and digits with single signs between them.
_WITH_DIGIT = re.compile(r"(?<!\S)[^\s\d]*\d\S*")
_CODE = re.compile(r"(?<![\w.@/])[^\W_]+(?:[-/_:#+][^\W_]+)*")
# What follows a part of a number, an address or the name of a host.
_GOES_ON = re.compile(r"[@/]|[.:]\w|://")
_RUN = re.compile(r"[^\W_]+")
_SEGMENT = re.compile(r"\d+|[^\W\d_]+")
_DIGIT = re.compile(r"\d")
# Longer ones are no codes that people type, but keys and encoded data.
_MAX_CODE = 48
_MAX_SEGMENTS = 4


def document_text(text: str) -> str:
    """What to_tsvector() reads for a row: at most 300 kB, so that the tsvector fits into its 1 MB."""
    return _cut(_split_codes(_split_unspaced(_folded(text[:_MAX_BYTES]), _characters_and_bigrams), _parts))


def query_text(query: str) -> str:
    """What to_tsvector() reads for a query: whole runs of codes, and of unspaced scripts bigrams alone."""
    return _cut(_split_codes(_split_unspaced(_folded(query[:_MAX_BYTES]), _bigrams), _runs))


def query_terms(db: Connection, config: str, query: str) -> list[str]:
    """The lexemes to look up for a query, the most frequent first; of a very long query no more than 64.

    `config` is the name of a text search configuration as regconfig writes it.
    """
    rows = db.query_unprepared(
        f"""
        SELECT lexeme FROM unnest(to_tsvector({quote_literal(config)}::regconfig, $1)) AS w (lexeme, positions, weights)
        ORDER BY cardinality(positions) DESC, lexeme COLLATE "C" LIMIT {MAX_QUERY_TERMS}
        """,
        ("text",),
        (query_text(query),),
    )
    return [row["lexeme"] for row in rows]


def _folded(text: str) -> str:
    """The text without case, accents and differences of width, which the texts of a search ignore."""
    if text.isascii():
        return text
    letters = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    letters = _NOT_ASCII.sub(lambda letter: _ASCII[letter[0]], unicodedata.normalize("NFC", letters))
    return _SIGNS.sub(" ", letters).lower()


def _split_unspaced(text: str, split: Callable[[list[str]], list[str]]) -> str:
    if text.isascii():
        return text
    return _UNSPACED.sub(lambda run: f" {' '.join(split(_CHARACTER.findall(run[0])))} ", text)


def _bigrams(characters: list[str]) -> list[str]:
    return list(map(operator.add, characters, characters[1:])) or characters


def _characters_and_bigrams(characters: list[str]) -> list[str]:
    """Single characters too, for queries of one."""
    return [*characters, *_bigrams(characters)] if len(characters) > 1 else characters


def _split_codes(text: str, split: Callable[[str], list[str]]) -> str:
    def spelled(code: re.Match[str]) -> str:
        whole = code[0]
        if whole.isdigit() or whole.isalpha() or len(whole) > _MAX_CODE or _GOES_ON.match(code.string, code.end()):
            return whole
        return f" {' '.join(split(whole))} " if _DIGIT.search(whole) else whole

    return _WITH_DIGIT.sub(lambda word: _CODE.sub(spelled, word[0]), text)


def _runs(code: str) -> list[str]:
    """The runs of letters and digits, and all as one, as some write it: 000-9999 is 000, 9999 and 0009999."""
    runs = _RUN.findall(code)
    return [*runs, "".join(runs)] if len(runs) > 1 else runs


def _parts(code: str) -> list[str]:
    """The runs, and of each what lies between borders of letters and digits: 1812L050 has 1812L, L050, 1812 and 050."""
    parts = _runs(code)
    for run in _RUN.findall(code):
        segments = _SEGMENT.findall(run)
        if 1 < len(segments) <= _MAX_SEGMENTS:
            ranges = itertools.combinations(range(len(segments) + 1), 2)
            parts += (part for a, b in ranges if 1 < len(part := "".join(segments[a:b])) < len(run))
    return parts


def _cut(text: str) -> str:
    return text if len(text) * 4 <= _MAX_BYTES else text.encode()[:_MAX_BYTES].decode(errors="ignore")
