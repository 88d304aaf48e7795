"""Tokenizer for English and Chinese; Chinese is segmented into known words by dynamic programming."""

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
# The cost of a character outside any known word, where a known word costs 1.
_UNKNOWN_CHARACTER_COST = 2.5


@dataclass(slots=True)
class Token:
    """A token from character `start` to `end`; `kind` is word, number, quoted, date or punct."""

    text: str
    stem: str
    start: int
    end: int
    kind: str
    chinese: bool = False

    @property
    def is_capitalized(self) -> bool:
        """True if it begins with a capital letter."""
        return self.kind == "word" and self.text[:1].isupper()


class Vocabulary:
    """The Chinese words that segmentation may use: markers, verbs, and words of the schema and its values."""

    def __init__(self, known: Collection[str], nouns: Collection[str], values: Collection[str]) -> None:
        self._known, self._nouns, self._values = set(known), set(nouns), tuple(values)
        # Separable verbs: 下过单 is 下单.
        self._separated = {word[0] + inside + word[1]: word for word in known if len(word) == 2 for inside in "过了"}
        self._words = {*chinese.MARKERS, *chinese.VERBS, *known, *nouns, *_chinese_time_words(), *self._separated}
        self._longest = max(map(len, self._words))

    def words_at(self, question: str, index: int, end: int) -> Iterator[str]:
        """The words that may begin at this place."""
        numeral = chinese.numeral(question, index)
        if numeral:
            yield numeral
        for length in range(1, min(self._longest, end - index) + 1):
            word = question[index : index + length]
            if word in self._words and self._may_stand(question, index, word):
                yield word

    def _may_stand(self, question: str, index: int, word: str) -> bool:
        if word in self._known:
            return True
        if word in self._nouns and chinese.noun_context(question, index, self._values):
            return True
        if word in chinese.MARKERS:
            # The schema knows the first part as a name, so 最高年龄 stays two words.
            parted = any(word[:length] in self._known for length in range(2, len(word)))
            return not parted and chinese.marker_may_stand(question, index, word)
        return word not in self._nouns or word in chinese.VERBS


def tokenize(
    question: str, known: Collection[str] = (), nouns: Collection[str] = (), values: Collection[str] = ()
) -> list[Token]:
    """The tokens of a question; `known` are Chinese words of the schema, `values` of the rows.

    `nouns` are single characters that stand for a longer name in some contexts.
    """
    tokens: list[Token] = []
    vocabulary = Vocabulary({*known, *values}, nouns, values)
    for match in _TOKEN.finditer(question):
        kind, text = str(match.lastgroup), match[0]
        if kind == "cjk":
            scaled = bool(tokens) and tokens[-1].kind == "number" and text[0] in lexicon.MULTIPLIERS
            scaled = scaled and text[:2] not in lexicon.NOT_MULTIPLIED
            if scaled:
                tokens.append(Token(text[0], text[0], match.start(), match.start() + 1, "word", True))
            tokens += _segment_chinese(question, match.start() + scaled, match.end(), vocabulary)
        elif kind == "quoted":
            tokens.append(Token(text[1:-1], text[1:-1].lower(), match.start(), match.end(), kind))
        elif kind == "word":
            tokens += _split_contraction(text, match.start())
        else:
            tokens.append(Token(text, text.lower(), match.start(), match.end(), kind))
        if len(tokens) > _MOST_TOKENS:
            break
    return tokens[:_MOST_TOKENS]


def _split_contraction(text: str, start: int) -> list[Token]:
    """One token, or two for a contraction."""
    plain = text.replace("\u2019", "'").lower()
    contraction = next(
        (ending for ending in lexicon.CONTRACTIONS if plain.endswith(ending) and len(plain) > len(ending)), None
    )
    if contraction == "'s" and plain.removesuffix("'s") not in lexicon.CONTRACTED_WITH_IS:
        contraction = None
    if contraction is None:
        return [Token(text, words.stem(plain), start, start + len(text), "word")]
    length, expansion = len(text) - len(contraction), lexicon.CONTRACTIONS[contraction]
    first = (
        lexicon.CONTRACTED_STEMS.get(text[:length].lower(), text[:length]) if contraction == "n't" else text[:length]
    )
    return [
        Token(first, words.stem(first), start, start + length, "word"),
        Token(expansion, words.stem(expansion), start + length, start + len(text), "word"),
    ]


def _chinese_time_words() -> set[str]:
    return {unit for unit in lexicon.TIME_UNITS if not unit.isascii()} | lexicon.CHINESE_YEAR_PARTS.keys()


def _segment_chinese(question: str, start: int, end: int, vocabulary: Vocabulary) -> Iterator[Token]:
    """The segmentation of least cost: few words, and as few characters outside words as possible."""
    # For each place the cost of the best segmentation from there to the end, and its first word.
    best: list[tuple[float, str]] = [(0.0, "")] * (end - start + 1)
    for index in range(end - 1, start - 1, -1):
        choice = (_UNKNOWN_CHARACTER_COST + best[index + 1 - start][0], "")
        for word in vocabulary.words_at(question, index, end):
            cost = 1.0 + best[index + len(word) - start][0]
            if (cost, -len(word)) < (choice[0], -len(choice[1])):
                choice = cost, word
        best[index - start] = choice
    index = unknown_start = start
    while index <= end:
        word = best[index - start][1]
        if index < end and not word:
            index += 1
            continue
        if index > unknown_start:
            yield Token(
                question[unknown_start:index], question[unknown_start:index], unknown_start, index, "word", True
            )
        if index == end:
            return
        text = vocabulary._separated.get(word, word)
        yield Token(text, text, index, index + len(word), "word", True)
        index = unknown_start = index + len(word)
