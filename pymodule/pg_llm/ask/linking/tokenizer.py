"""Tokens of a question: words with their stems, figures, quoted texts; Chinese by single characters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pg_llm.ask import words

_TOKEN = re.compile(
    r"""(?P<quoted>"[^"]{1,200}"|\u201c[^\u201d]{1,200}\u201d|\u300c[^\u300d]{1,200}\u300d|(?<!\w)'[^']{1,200}'(?!\w))
    |(?P<number>\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?=(?:st|nd|rd|th|[kKmM%])?(?![a-zA-Z\d]))
    |(?P<character>[\u3400-\u9fff])
    |(?P<word>(?:(?<![\w-])[a-zA-Z]-(?=[a-zA-Z]{2}))?(?:[^\W_\u3400-\u9fff]|['\u2019&_](?=\w)|(?<=s)['\u2019])+)
    |(?P<punct>[^\s\w]|_)""",
    re.X,
)
_MOST_TOKENS = 200
_NEGATED = re.compile(r"(.+)n['\u2019]t", re.I)
_GENITIVE = re.compile(r"(.+)['\u2019]s?", re.I)
_HELPERS = {"ca": "can", "wo": "will", "sha": "shall"}


@dataclass(slots=True)
class Token:
    """A token from character `start` to `end`; `kind` is word, number, quoted, character or punct."""

    text: str
    stem: str
    start: int
    end: int
    kind: str
    # Whether its genitive ending was cut off.
    is_genitive: bool = False

    @property
    def chinese(self) -> bool:
        """True for a Chinese character."""
        return self.kind == "character"


def tokenize(question: str) -> list[Token]:
    """The tokens of a question, at most two hundred."""
    tokens: list[Token] = []
    for match in _TOKEN.finditer(question):
        kind, text, start = str(match.lastgroup), match[0], match.start()
        if kind == "word":
            tokens += _word_tokens(text, start)
        elif kind == "quoted":
            tokens.append(Token(text[1:-1], text[1:-1].lower(), start, match.end(), kind))
        else:
            tokens.append(Token(text, text.lower(), start, match.end(), kind))
        if len(tokens) >= _MOST_TOKENS:
            break
    return tokens[:_MOST_TOKENS]


def _word_tokens(text: str, start: int) -> list[Token]:
    """One token, or two where a contraction hides `not`; a genitive ending is no token, and e-mail is email."""
    end = start + len(text)
    text = text.replace("-", "")
    negated = _NEGATED.fullmatch(text)
    if negated:
        helper = _HELPERS.get(negated[1].lower(), negated[1])
        middle = start + len(negated[1])
        return [Token(helper, words.stem(helper), start, middle, "word"), Token("not", "not", middle, end, "word")]
    genitive = _GENITIVE.fullmatch(text)
    text = genitive[1] if genitive else text
    return [Token(text, words.stem(text), start, end, "word", genitive is not None)]
