"""A question cut into tokens: words, numbers, quoted texts, and Chinese by the longest words that are known."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from pg_llm.asking import lexicon, words

_TOKEN = re.compile(
    r"""(?P<quoted>"[^"]{1,200}"|\u201c[^\u201d]{1,200}\u201d|\u2018[^\u2019]{1,200}\u2019|\u300c[^\u300d]{1,200}\u300d
        |\u300a[^\u300b]{1,200}\u300b|(?<!\w)'[^']{1,200}'(?!\w)|`[^`]{1,200}`)
    |(?P<date>\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?![\d-]))
    |(?P<number>[$€£¥]?\d+(?:,\d{3})+(?:\.\d+)?%?|[$€£¥]?\d+(?:\.\d+)?(?:%|(?=[\W_]|$|(?:[kKmM]|[bm]n)\b|[\u4e00-\u9fff])))
    |(?P<cjk>[\u3400-\u9fff]+)
    |(?P<word>[^\W_](?:(?![\u3400-\u9fff])[\w.'\u2019&-])*(?![\u3400-\u9fff])[^\W_]|[^\W_])
    |(?P<punct>[^\s\w])""",
    re.X,
)
_MOST_TOKENS = 200


@dataclass(slots=True)
class Token:
    """A piece of the question from `start` to `end`; `kind` is word, number, quoted, date or punct."""

    text: str
    stem: str
    start: int
    end: int
    kind: str
    chinese: bool = False

    @property
    def capital(self) -> bool:
        """Whether it begins as names do."""
        return self.kind == "word" and self.text[:1].isupper()


def cut(question: str, known: Collection[str] = ()) -> list[Token]:
    """The tokens of a question; `known` are Chinese words of the tables at hand, beside those that ask."""
    found: list[Token] = []
    vocabulary = sorted({*lexicon.CHINESE, *known, *_chinese_units()}, key=len, reverse=True)
    for match in _TOKEN.finditer(question):
        kind, text = str(match.lastgroup), match[0]
        if kind == "cjk":
            scaled = bool(found) and found[-1].kind == "number" and text[0] in lexicon.SCALE
            scaled = scaled and text[:2] not in lexicon.MEASURES
            if scaled:
                found.append(Token(text[0], text[0], match.start(), match.start() + 1, "word", True))
            found += _chinese(text[scaled:], match.start() + scaled, vocabulary, known)
        elif kind == "quoted":
            found.append(Token(text[1:-1], text[1:-1].lower(), match.start(), match.end(), kind))
        elif kind == "word":
            found += _words(text, match.start())
        else:
            found.append(Token(text, text.lower(), match.start(), match.end(), kind))
        if len(found) > _MOST_TOKENS:
            break
    return found[:_MOST_TOKENS]


def _words(text: str, start: int) -> list[Token]:
    """One token, or two where a negation or a short verb hangs on a word."""
    plain = text.replace("\u2019", "'").lower()
    hung = next((ending for ending in lexicon.HUNG if plain.endswith(ending) and len(plain) > len(ending)), None)
    if hung == "'s" and plain.removesuffix("'s") not in lexicon.WITH_IS:
        hung = None
    if hung is None:
        return [Token(text, words.stem(plain), start, start + len(text), "word")]
    cut, said = len(text) - len(hung), lexicon.HUNG[hung]
    first = lexicon.CLIPPED.get(text[:cut].lower(), text[:cut]) if hung == "n't" else text[:cut]
    return [
        Token(first, words.stem(first), start, start + cut, "word"),
        Token(said, words.stem(said), start + cut, start + len(text), "word"),
    ]


def _chinese_units() -> set[str]:
    return {unit for unit in lexicon.UNITS if not unit.isascii()} | lexicon.CHINESE_PARTS


def _chinese(text: str, start: int, vocabulary: list[str], known: Collection[str]) -> list[Token]:
    """The longest known word at each place; what is between them stays together."""
    found: list[Token] = []
    place = rest = 0
    while place <= len(text):
        there = (word for word in vocabulary if text.startswith(word, place) and _whole(text, place, word, known))
        word = next(there, None) if place < len(text) else ""
        if word is None:
            place += 1
            continue
        if place > rest:
            piece = text[rest:place]
            found.append(Token(piece, piece, start + rest, start + place, "word", True))
        if word == "":
            break
        found.append(Token(word, word, start + place, start + place + len(word), "word", True))
        place += len(word)
        rest = place
    return found


def _whole(text: str, place: int, word: str, known: Collection[str]) -> bool:
    """Whether a word that asks leaves the tables' words whole: by age is no 'by year', the highest age is two words."""
    if word in known:
        return True
    ends = place + len(word)
    return not any(
        text.startswith(name, inside) and (inside + len(name) > ends or inside == place)
        for name in known
        for inside in range(place, ends)
    )
