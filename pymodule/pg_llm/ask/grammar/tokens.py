"""A question cut into tokens: words, numbers, quoted texts, and Chinese by words that are known."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pg_llm.ask.grammar import chinese, lexicon, words

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
# What a character weighs that is of no known word, beside a known word.
_UNKNOWN = 2.5


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


class Vocabulary:
    """The Chinese words that a question may have: those that ask, and those of the tables and values at hand."""

    def __init__(self, known: Collection[str], nouns: Collection[str], values: Collection[str]) -> None:
        self._known, self._nouns, self._values = set(known), set(nouns), tuple(values)
        # Verbs with something between their characters: 下过单 is 下单.
        self.spelled = {word[0] + inside + word[1]: word for word in known if len(word) == 2 for inside in "过了"}
        self._words = {*chinese.MARKERS, *chinese.VERBS, *known, *nouns, *_chinese_units(), *self.spelled}
        self._longest = max(map(len, self._words))

    def at(self, question: str, place: int, end: int) -> Iterator[str]:
        """The words that may stand at a place."""
        numeral = chinese.numeral(question, place)
        if numeral:
            yield numeral
        for length in range(1, min(self._longest, end - place) + 1):
            word = question[place : place + length]
            if word in self._words and self._stands(question, place, word):
                yield word

    def _stands(self, question: str, place: int, word: str) -> bool:
        if word in self._known:
            return True
        if word in self._nouns and chinese.noun_stands(question, place, self._values):
            return True
        if word in chinese.MARKERS:
            # The highest age is two words where there is an age.
            parted = any(word[:length] in self._known for length in range(2, len(word)))
            return not parted and chinese.stands(question, place, word)
        return word not in self._nouns or word in chinese.VERBS


def cut(
    question: str, known: Collection[str] = (), nouns: Collection[str] = (), values: Collection[str] = ()
) -> list[Token]:
    """The tokens of a question; `known` are Chinese words of the tables and values at hand, beside those that ask.

    `nouns` are characters that stand for a longer name in some places.
    """
    found: list[Token] = []
    vocabulary = Vocabulary({*known, *values}, nouns, values)
    for match in _TOKEN.finditer(question):
        kind, text = str(match.lastgroup), match[0]
        if kind == "cjk":
            scaled = bool(found) and found[-1].kind == "number" and text[0] in lexicon.SCALE
            scaled = scaled and text[:2] not in lexicon.UNSCALED
            if scaled:
                found.append(Token(text[0], text[0], match.start(), match.start() + 1, "word", True))
            found += _chinese(question, match.start() + scaled, match.end(), vocabulary)
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
    return {unit for unit in lexicon.UNITS if not unit.isascii()} | lexicon.CHINESE_PARTS.keys()


def _chinese(question: str, start: int, end: int, vocabulary: Vocabulary) -> Iterator[Token]:
    """The fewest known words that leave the fewest characters unknown; what is between them stays together."""
    # From each place to the end: what is left unknown and how many words, and the word that begins there.
    best: list[tuple[float, str]] = [(0.0, "")] * (end - start + 1)
    for place in range(end - 1, start - 1, -1):
        found = (_UNKNOWN + best[place + 1 - start][0], "")
        for word in vocabulary.at(question, place, end):
            cost = 1.0 + best[place + len(word) - start][0]
            if (cost, -len(word)) < (found[0], -len(found[1])):
                found = cost, word
        best[place - start] = found
    place = rest = start
    while place <= end:
        word = best[place - start][1]
        if place < end and not word:
            place += 1
            continue
        if place > rest:
            yield Token(question[rest:place], question[rest:place], rest, place, "word", True)
        if place == end:
            return
        text = vocabulary.spelled.get(word, word)
        yield Token(text, text, place, place + len(word), "word", True)
        place = rest = place + len(word)
