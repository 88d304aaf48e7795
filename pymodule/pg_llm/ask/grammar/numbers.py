"""Numerals in figures, English words and Chinese characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.tokenizer import Token
from pg_llm.ask.mention import Mention


def number_mentions(tokens: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    """Mentions of numbers, each with a rank that is compared with other mentions of the same tokens."""
    index = 0
    while index < len(tokens):
        token = tokens[index]
        end, number = index, None
        if token.kind == "number":
            end, number = _numeric(tokens, index)
        elif token.chinese:
            number = _chinese_number(token.text)
            end = index + 1
        elif _number_value(token) is not None:
            end, number = _number_words(tokens, index)
        if number is not None:
            text = " ".join(item.text for item in tokens[index:end])
            rank = 9 if token.chinese else 12 * (end - index)
            yield Mention("number", index, end, text, number=number), rank
        index = max(end, index + 1)


def _numeric(tokens: Sequence[Token], index: int) -> tuple[int, float]:
    """Figures with a multiplier: 25, 1,200.50, 30%, 25k, 15 thousand, 100万."""
    text = tokens[index].text.strip("$\u20ac\u00a3\u00a5").replace(",", "")
    following = tokens[index + 1] if index + 1 < len(tokens) else None
    scale = lexicon.MULTIPLIERS.get(following.text.lower()) if following is not None else None
    if scale is None or following is None or text.endswith("%"):
        return index + 1, float(text.rstrip("%"))
    if following.text.isascii() and len(following.text) == 1 and following.start > tokens[index].end:
        # `5 m` is a length, `5m` a number.
        return index + 1, float(text.rstrip("%"))
    return index + 2, float(text) * scale


def _number_words(tokens: Sequence[Token], index: int) -> tuple[int, float | None]:
    """English numerals: five, twenty-five thousand, a hundred; `one` as a pronoun (which one) is no number."""
    whole = part = 0.0
    end = index
    while end < len(tokens) and (number := _number_value(tokens[end])) is not None:
        if number >= 1000:
            whole, part = whole + (part or 1) * number, 0.0
        elif number in (100, 12):
            part = (part or 1) * number
        elif end > index and part % 10 != 0:
            break
        else:
            part += number
        end += 1
    if end == index + 1 and tokens[index].stem == "one":
        before = tokens[index - 1].text.lower() if index else ""
        if before in ("the", "which", "only", "this"):
            return end, None
    return end, whole + part


def _number_value(token: Token) -> float | None:
    return (
        lexicon.NUMBER_WORDS.get(token.text.lower(), lexicon.NUMBER_WORDS.get(token.stem))
        if token.kind == "word"
        else None
    )


def _chinese_number(text: str) -> float | None:
    """Chinese numerals: 三, 十二, 三千五百."""
    whole = part = digit = 0.0
    for index, sign in enumerate(text):
        if sign in lexicon.CHINESE_DIGITS:
            digit = lexicon.CHINESE_DIGITS[sign]
        elif sign == "十" and (digit or not index or text[index - 1] in "零百千万亿"):
            part, digit = part + (digit or 1) * 10, 0.0
        elif sign in lexicon.MULTIPLIERS and index:
            scale = lexicon.MULTIPLIERS[sign]
            if scale >= 1e4:
                whole, part, digit = whole + (part + digit) * scale, 0.0, 0.0
            else:
                part, digit = part + digit * scale, 0.0
        else:
            return None
    return whole + part + digit
