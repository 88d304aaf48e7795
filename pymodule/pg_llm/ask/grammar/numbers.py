"""Numbers in a question, in figures and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.tokens import Token
from pg_llm.ask.mention import Mention


def numbers(cut: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    """Mentions of numbers, each with a rank among all mentions that may stand there."""
    place = 0
    while place < len(cut):
        token = cut[place]
        end, number = place, None
        if token.kind == "number":
            end, number = _figures(cut, place)
        elif token.chinese:
            number = _chinese(token.text)
            end = place + 1
        elif _named(token) is not None:
            end, number = _words(cut, place)
        if number is not None:
            said = " ".join(each.text for each in cut[place:end])
            rank = 9 if token.chinese else 12 * (end - place)
            yield Mention("number", place, end, said, number=number), rank
        place = max(end, place + 1)


def _figures(cut: Sequence[Token], place: int) -> tuple[int, float]:
    """25, 1,200.50, 30%, 25k, 15 thousand, 100万."""
    text = cut[place].text.strip("$\u20ac\u00a3\u00a5").replace(",", "")
    following = cut[place + 1] if place + 1 < len(cut) else None
    scale = lexicon.SCALE.get(following.text.lower()) if following is not None else None
    if scale is None or following is None or text.endswith("%"):
        return place + 1, float(text.rstrip("%"))
    if following.text.isascii() and len(following.text) == 1 and following.start > cut[place].end:
        # 5 m is a length, 5m a number.
        return place + 1, float(text.rstrip("%"))
    return place + 2, float(text) * scale


def _words(cut: Sequence[Token], place: int) -> tuple[int, float | None]:
    """Five, twenty-five thousand, a hundred; no number in: the one, which one."""
    whole = part = 0.0
    end = place
    while end < len(cut) and (its := _named(cut[end])) is not None:
        if its >= 1000:
            whole, part = whole + (part or 1) * its, 0.0
        elif its in (100, 12):
            part = (part or 1) * its
        elif end > place and part % 10 != 0:
            break
        else:
            part += its
        end += 1
    if end == place + 1 and cut[place].stem == "one":
        before = cut[place - 1].text.lower() if place else ""
        if before in ("the", "which", "only", "this"):
            return end, None
    return end, whole + part


def _named(token: Token) -> float | None:
    return lexicon.NUMBERS.get(token.text.lower(), lexicon.NUMBERS.get(token.stem)) if token.kind == "word" else None


def _chinese(text: str) -> float | None:
    """三, 十二, 三千五百."""
    whole = part = digit = 0.0
    for place, sign in enumerate(text):
        if sign in lexicon.CHINESE_DIGITS:
            digit = lexicon.CHINESE_DIGITS[sign]
        elif sign == "十" and (digit or not place or text[place - 1] in "零百千万亿"):
            part, digit = part + (digit or 1) * 10, 0.0
        elif sign in lexicon.SCALE and place:
            scale = lexicon.SCALE[sign]
            if scale >= 1e4:
                whole, part, digit = whole + (part + digit) * scale, 0.0, 0.0
            else:
                part, digit = part + digit * scale, 0.0
        else:
            return None
    return whole + part + digit
