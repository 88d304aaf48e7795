"""Numbers as people write them: decimal and grouping marks of any country, signs, currencies, magnitudes, percent.

A text with two readings (`1.234`, `1,234`) has no value unless a locale decides between them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from pg_llm.values.host import currencies, units
from pg_llm.values.host.characters import plain

# A longer text is no number.
_MAX_LENGTH = 60
_CORE = re.compile(r"\d[\d.,' ]*\d|\d|[.,]\d+")
_EXPONENT = re.compile(r"\d(?:\.\d+)?[eE][+-]?\d{1,2}")
# Three decimals may be a group.
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.(?:\d{1,2}|\d{4,}))?", re.ASCII)
_GROUPS = re.compile(r"[1-9]\d{0,2}(?:(?P<mark>[., '])\d{3})(?:(?P=mark)\d{3})*")
# India groups by hundreds above the thousands.
_INDIAN_GROUPS = re.compile(r"[1-9]\d?(?:,\d{2})+,\d{3}")
_FRACTION = re.compile(r"(\d+)? ?([\u00bc-\u00be\u2150-\u215e])")
# Words and signs that multiply. `m`, `b`, `mil` and `billion` mean different numbers in different languages.
_MAGNITUDES = {
    **dict.fromkeys("k thousand tsd tausend 千".split(), 10**3),
    **dict.fromkeys("M mio million millions millionen mln 百万".split(), 10**6),
    **dict.fromkeys("bn mrd milliarde milliarden milliards mld".split(), 10**9),
    **dict.fromkeys("万 萬".split(), 10**4),
    **dict.fromkeys("億 亿".split(), 10**8),
    **dict.fromkeys("lakh lakhs".split(), 10**5),
    **dict.fromkeys("crore crores".split(), 10**7),
}
_MAGNITUDE = re.compile(r"(.*\d) ?(k|K|M|bn|千|百万|万|萬|億|亿)|(.*\d) ([^\W\d_]+)\.?")
# What stands after the digits of a number: a decimal mark of point or comma, or none.
Mark = str | None


@dataclass(frozen=True, slots=True)
class Number:
    """A value with what is written around it; the marks are those that the text shows, None where it shows none."""

    value: Decimal
    decimal_mark: Mark = None
    group_mark: Mark = None
    currency: str | None = None
    unit: str | None = None
    is_scaled: bool = False

    @property
    def text(self) -> str:
        """The value in digits with a decimal point, without exponent."""
        whole = self.value.to_integral_value()
        return format(whole if self.is_scaled and self.value == whole else self.value, "f")


def parse(text: str, locale: str | None = None) -> Number | None:
    """The one number that a text is, with its currency, percent sign or unit; None if it is none, or may be two."""
    found = readings(text)
    if locale is not None:
        marks = locale_marks(locale)
        found = [number for number in found if fits(number, *marks)]
    return found[0] if len(found) == 1 else None


def readings(text: str) -> list[Number]:
    """All numbers that a text may be: none, one, or two where a mark may group or begin the decimals."""
    if len(text) > _MAX_LENGTH:
        return []
    if _PLAIN.fullmatch(text):
        # Most numbers are written so.
        return [Number(Decimal(text), "." if "." in text else None)]
    text = plain(text)
    sign = 1
    if match := re.fullmatch(r"\((.*)\)", text):
        text, sign = match[1].strip(), -1
    text, currency = currencies.split(text)
    if text[:1] in "+-" and text:
        if sign < 0:
            return []
        text, sign = text[1:].lstrip(), -1 if text[0] == "-" else 1
    elif re.fullmatch(r".*\d-", text):
        if sign < 0:
            return []
        text, sign = text[:-1], -1
    if currency is None:
        text, currency = currencies.split(text)
    text, unit = (text, None) if currency is not None else units.split(text)
    text, factor = _split_magnitude(text)
    return [
        Number(sign * factor * value, decimal_mark, group_mark, currency, unit, factor != 1)
        for value, decimal_mark, group_mark in _bare(text)
    ]


def fits(number: Number, decimal_mark: str, group_marks: str) -> bool:
    """Whether the marks of a number are those of a locale."""
    return number.decimal_mark in (None, decimal_mark) and (
        number.group_mark is None or number.group_mark in group_marks
    )


def _split_magnitude(text: str) -> tuple[str, int]:
    if match := _MAGNITUDE.fullmatch(text):
        digits, word = (match[1], match[2]) if match[2] else (match[3], match[4])
        factor = _MAGNITUDES.get(word) or _MAGNITUDES.get(word.casefold() if len(word) > 1 or word == "K" else word)
        if factor:
            return digits.rstrip(), factor
    return text, 1


def _bare(text: str) -> list[tuple[Decimal, Mark, Mark]]:
    """The readings of digits with marks: value, decimal mark and grouping mark."""
    if match := _FRACTION.fullmatch(text):
        part = Decimal(str(unicodedata.numeric(match[2])))
        # A third has no decimal form.
        return [(Decimal(match[1] or 0) + part, None, None)] if len(str(part)) <= 5 else []
    if _EXPONENT.fullmatch(text):
        return [(Decimal(text), "." if "." in text else None, None)]
    if not _CORE.fullmatch(text):
        return []
    found: list[tuple[Decimal, Mark, Mark]] = []
    for decimal_mark in (None, ".", ","):
        whole, mark, decimals = text.rpartition(decimal_mark) if decimal_mark else (text, "", "")
        if decimal_mark and (not mark or not decimals.isdecimal()):
            continue
        group_mark = next((c for c in whole if not c.isdecimal()), None)
        if group_mark is None:
            # 007 is a code, and so may 00.5 be.
            if len(whole) > 1 and whole[0] == "0":
                continue
        elif group_mark == decimal_mark or not (_GROUPS.fullmatch(whole) or _INDIAN_GROUPS.fullmatch(whole)):
            continue
        digits = "".join(c for c in whole if c.isdecimal()) or "0"
        found.append((Decimal(f"{digits}.{decimals}" if decimals else digits), decimal_mark, group_mark))
    return found


def locale_marks(locale: str) -> tuple[str, str]:
    """The decimal mark of a locale and the marks by which it groups, by CLDR. Raises ValueError for an unknown one."""
    from pg_llm.values.host.locales import find

    symbols = find(locale).number_symbols
    symbols = symbols.get("latn", symbols)
    decimal_mark, group_mark = plain(symbols["decimal"]) or ".", plain(symbols["group"]) or " "
    # A space is written where CLDR has a mark that nobody types, and an apostrophe where no other mark may stand.
    return decimal_mark, group_mark + " '"
