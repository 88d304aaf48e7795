"""Programs on one text that an example may follow: strip, cut, replace, take the number, change the case.

From an example, the old text and the new one, come all programs that make it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
_MAX_DIGITS = 40
# Day 0 of spreadsheets.
_EPOCH = date(1899, 12, 30)


@dataclass(frozen=True, slots=True)
class Program:
    """A program; its description names it.

    `apply` gives the result, None for a value to which it does not apply. A `general` one changes many values, and
    needs more examples. `condition` and `expression` are the same in SQL on the column {c}, empty if it has no SQL.
    """

    description: str
    apply: Callable[[str], str | None] = field(compare=False)
    general: bool = field(default=False, compare=False)
    condition: str = field(default="", compare=False)
    expression: str = field(default="", compare=False)


def literal(text: str) -> str:
    """A text as SQL, in a template."""
    quoted = text.replace("'", "''")
    quoted = f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in quoted else f"'{quoted}'"
    return quoted.replace("{", "{{").replace("}", "}}")


def strip(prefix: str, suffix: str) -> Program:
    """Without a literal prefix and suffix."""

    def apply(value: str) -> str | None:
        if len(value) <= len(prefix) + len(suffix) or not value.startswith(prefix) or not value.endswith(suffix):
            return None
        return value[len(prefix) : len(value) - len(suffix)]

    parts = [repr(part) for part in (prefix, suffix) if part]
    conditions = [f"length({{c}}) > {len(prefix) + len(suffix)}"]
    conditions += [f"starts_with({{c}}, {literal(prefix)})"] * bool(prefix)
    conditions += [f"right({{c}}, {len(suffix)}) = {literal(suffix)}"] * bool(suffix)
    expression = f"substr({{c}}, {len(prefix) + 1}, length({{c}}) - {len(prefix) + len(suffix)})"
    return Program(f"without {' and '.join(parts)}", apply, False, " AND ".join(conditions), expression)


def replace(old: str, new: str) -> Program:
    """With every occurrence of a text replaced, or removed."""

    def apply(value: str) -> str | None:
        return value.replace(old, new) if old in value else None

    description = f"{new!r} for {old!r}" if new else f"without {old!r}"
    condition, expression = f"strpos({{c}}, {literal(old)}) > 0", f"replace({{c}}, {literal(old)}, {literal(new)})"
    return Program(description, apply, False, condition, expression)


def number(decimals: int | None) -> Program:
    """The only number of the text as it is written, or rounded if it has more decimals than that."""

    def apply(value: str) -> str | None:
        found = _NUMBER.findall(value)
        if len(found) != 1 or len(found[0]) > _MAX_DIGITS:
            return None
        written = str(found[0])
        if decimals is None or len(written.partition(".")[2]) <= decimals:
            return written
        return _shortest(format(Decimal(written).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN), "f"))

    pattern = literal(_NUMBER.pattern)
    condition = f"regexp_count({{c}}, {pattern}) = 1"
    written = f"(regexp_match({{c}}, {literal(f'({_NUMBER.pattern})')}))[1]"
    if decimals is None:
        return Program("the number alone", apply, False, condition, written)
    rounded = f"trim_scale(round({written}::numeric, {decimals}))::text"
    expression = f"CASE WHEN scale({written}::numeric) > {decimals} THEN {rounded} ELSE {written} END"
    return Program(f"the number alone, with at most {decimals} decimals", apply, False, condition, expression)


def _shortest(written: str) -> str:
    return written.rstrip("0").rstrip(".") if "." in written else written


def _without_zeros(value: str) -> str | None:
    return _shortest(value) if re.fullmatch(r"[-+]?\d+\.\d+", value) else None


WITHOUT_ZEROS = Program(
    "without zeros at the end of the decimals",
    _without_zeros,
    False,
    r"{c} ~ '^[-+]?\d+\.\d+$'",
    r"regexp_replace({c}, '\.?0+$', '')",
)


def _serial_date(value: str) -> str | None:
    return str(_EPOCH + timedelta(int(value))) if re.fullmatch(r"[1-9]\d{3,4}", value) else None


SERIAL_DATE = Program(
    "the date of a spreadsheet's day number",
    _serial_date,
    False,
    r"{c} ~ '^[1-9]\d{{3,4}}$'",
    f"(date '{_EPOCH}' + {{c}}::integer)::text",
)


def cut(delimiter: str, before: bool, first: bool) -> Program:
    """What is before, or after, the first or last occurrence of a delimiter."""

    def apply(value: str) -> str | None:
        head, found, tail = value.partition(delimiter) if first else value.rpartition(delimiter)
        result = head if before else tail
        return result if found and result else None

    description = f"what is {'before' if before else 'after'} the {'first' if first else 'last'} {delimiter!r}"
    quoted = literal(delimiter)
    if before == first:
        expression = f"split_part({{c}}, {quoted}, {1 if first else -1})"
    elif before:
        expression = f"left({{c}}, -length(split_part({{c}}, {quoted}, -1)) - {len(delimiter)})"
    else:
        expression = f"substr({{c}}, strpos({{c}}, {quoted}) + {len(delimiter)})"
    return Program(description, apply, True, f"strpos({{c}}, {quoted}) > 0 AND {expression} <> ''", expression)


def ending(delimiter: str, length: int, is_number: bool, before: bool) -> Program:
    """What is before, or what is, a code of so many capitals or digits at the end: Portland OR."""
    code = f"[0-9]{{{length}}}" if is_number else f"[A-Z]{{{length}}}"
    pattern = re.compile(f"(.*\\w){re.escape(delimiter)}({code})", re.DOTALL)

    def apply(value: str) -> str | None:
        found = pattern.fullmatch(value)
        return None if found is None else found[1] if before else found[2]

    kind = f"{length} {'digits' if is_number else 'capitals'} at the end after {delimiter!r}"
    condition = f"{{c}} ~ {literal(f'^.*{chr(92)}w{re.escape(delimiter)}{code}$')}"
    cut_off = f"left({{c}}, -{length + len(delimiter)})" if before else f"right({{c}}, {length})"
    return Program(f"what is before {kind}" if before else kind, apply, False, condition, cut_off)


_ENDING = re.compile(r"(.*\w)(\W+)([A-Z]{2,5}|[0-9]{2,5})", re.DOTALL)
_CASES = (
    Program("in lower case", str.lower, True, "{c} <> lower({c})", "lower({c})"),
    Program("in upper case", str.upper, True, "{c} <> upper({c})", "upper({c})"),
    Program("in title case", str.title, True, "{c} <> initcap({c})", "initcap({c})"),
    Program("with a capital first", str.capitalize, True),
)


def propose(old: str, new: str, decimals: int) -> Iterator[Program]:
    """The programs that make `new` of `old`, the more special first; `decimals` are the most of the column's values."""
    yield from (program for program in _candidates(old, new, decimals) if program.apply(old) == new)


def _candidates(old: str, new: str, decimals: int) -> Iterator[Program]:
    yield from (number(None), number(decimals), WITHOUT_ZEROS, SERIAL_DATE)
    if (found := _ENDING.fullmatch(old)) and new in (found[1], found[3]):
        yield ending(found[2], len(found[3]), found[3].isdecimal(), new == found[1])
    place = old.find(new)
    if new and place >= 0:
        yield strip(old[:place], old[place + len(new) :])
    for character in dict.fromkeys(old):
        if not character.isalnum() or character not in new:
            yield replace(character, "")
            yield from (replace(character, other) for other in dict.fromkeys(new) if other not in old)
    if new and place >= 0:
        for delimiter in dict.fromkeys(re.findall(r"[^\w]", old[:place] + old[place + len(new) :])):
            yield from (cut(delimiter, before, first) for before in (True, False) for first in (True, False))
    yield from _CASES
