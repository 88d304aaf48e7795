"""Numerals in figures, English words and Chinese characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.tokenizer import Token
from pg_llm.ask.mention import Mention


def number_mentions(tokens: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    """Mentions of numbers, each with a rank that is compared with other mentions of the same tokens."""
    place = 0
    while place < len(tokens):
        token = tokens[place]
        end, number = place, None
        if token.kind == "number":
            end, number = _numeric(tokens, place)
        elif token.chinese:
            number = _chinese_number(token.text)
            end = place + 1
        elif _number_value(token) is not None:
            end, number = _number_words(tokens, place)
        if number is not None:
            text = " ".join(token_.text for token_ in tokens[place:end])
            rank = 9 if token.chinese else 12 * (end - place)
            yield Mention("number", place, end, text, number=number), rank
        place = max(end, place + 1)


def _numeric(tokens: Sequence[Token], place: int) -> tuple[int, float]:
    """Figures with a multiplier: 25, 1,200.50, 30%, 25k, 15 thousand, 100万."""
    text = tokens[place].text.strip("$\u20ac\u00a3\u00a5").replace(",", "")
    following = tokens[place + 1] if place + 1 < len(tokens) else None
    scale = lexicon.MULTIPLIERS.get(following.text.lower()) if following is not None else None
    if scale is None or following is None or text.endswith("%"):
        return place + 1, float(text.rstrip("%"))
    if following.text.isascii() and len(following.text) == 1 and following.start > tokens[place].end:
        # `5 m` is a length, `5m` a number.
        return place + 1, float(text.rstrip("%"))
    return place + 2, float(text) * scale


def _number_words(tokens: Sequence[Token], place: int) -> tuple[int, float | None]:
    """English numerals: five, twenty-five thousand, a hundred; `one` as a pronoun (which one) is no number."""
    whole = part = 0.0
    end = place
    while end < len(tokens) and (number := _number_value(tokens[end])) is not None:
        if number >= 1000:
            whole, part = whole + (part or 1) * number, 0.0
        elif number in (100, 12):
            part = (part or 1) * number
        elif end > place and part % 10 != 0:
            break
        else:
            part += number
        end += 1
    if end == place + 1 and tokens[place].stem == "one":
        before = tokens[place - 1].text.lower() if place else ""
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
    for place, sign in enumerate(text):
        if sign in lexicon.CHINESE_DIGITS:
            digit = lexicon.CHINESE_DIGITS[sign]
        elif sign == "十" and (digit or not place or text[place - 1] in "零百千万亿"):
            part, digit = part + (digit or 1) * 10, 0.0
        elif sign in lexicon.MULTIPLIERS and place:
            scale = lexicon.MULTIPLIERS[sign]
            if scale >= 1e4:
                whole, part, digit = whole + (part + digit) * scale, 0.0, 0.0
            else:
                part, digit = part + digit * scale, 0.0
        else:
            return None
    return whole + part + digit
