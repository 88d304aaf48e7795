"""Values that differ from a frequent one of their column by case and space only, and superfluous space."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from pg_llm.cleaning.host.table import Finding, Repair, Step, Table, parse_number

_TIDY = r"regexp_replace(btrim({c}, E' \\t\\u00a0'), '[^\S\r\n]+', ' ', 'g')"

DETECTOR = "space"
_CASE = Step("one writing of values that differ by case and space")
_SPACE = Step("without superfluous space", "{c} <> " + _TIDY, _TIDY)
# Without a program, as not every encoding of a database has these characters.
_JOINED = Step("names without a wide space")
_MIN_COUNT = 3
# A spelling is right if it is so many times as frequent as others that differ by case and space only.
_RATIO = 5
# With so few letters, another case may be another unit or code.
_CODE_LETTERS = 3
# If more of the column's values have superfluous space, that is how it is written.
_MAX_SHARE = 0.4
# Two spaces inside a longer text may be how its author writes.
_MAX_INNER_LENGTH, _MIN_PROSE_WORDS = 50, 6
_MAX_LENGTH = 200
# Names of East Asia are written without a space between their characters, or with one of their width.
_BETWEEN = re.compile("(?<=[\u3400-\u9fff\uac00-\ud7af])\u3000+(?=[\u3400-\u9fff\uac00-\ud7af])")
_SPACES = re.compile(r"[^\S\r\n]+")


def detect(table: Table) -> Iterator[Finding]:
    """Such values, each as most others are."""
    for position, column in enumerate(table.columns):
        short = {value: count for value, count in column.counts.items() if len(value) <= _MAX_LENGTH}
        # Also saves the time for the largest columns.
        if any(parse_number(value) is None or value != value.strip() for value in short):
            variants = _variants(short)
            yield from table.findings(position, variants, "case")
            yield from table.findings(position, _spaces(short, variants), DETECTOR)


def _variants(counts: Mapping[str, int]) -> dict[str, Repair]:
    """Values that equal a frequent one but for case and space."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for value in counts:
        groups[_tidy(value).casefold()].append(value)
    repairs = {}
    for group in groups.values():
        best = max(group, key=lambda value: (counts[value], value))
        for value in group if len(group) > 1 else ():
            if value != best and counts[best] >= max(_MIN_COUNT, _RATIO * counts[value]):
                is_code = sum(c.isalpha() for c in value) <= _CODE_LETTERS
                may_differ = is_code and _tidy(value) != _tidy(best)
                repairs[value] = Repair(
                    best, 0.6 if may_differ else 0.97, f"{best!r} occurs {counts[best]} times", _CASE
                )
    return repairs


def _spaces(counts: Mapping[str, int], variants: Mapping[str, Repair]) -> dict[str, Repair]:
    """Values with superfluous space, where few have it; `variants` have a better repair."""
    words = sum(len(value.split()) * count for value, count in counts.items())
    is_prose = words >= _MIN_PROSE_WORDS * sum(counts.values())
    tidy = {value: new for value in counts if (new := _tidy(value, counts, is_prose)) != value and new}
    if len(tidy) >= _MAX_SHARE * len(counts):
        return {}
    return {
        value: Repair(new, 0.98, "superfluous space", _JOINED if _BETWEEN.search(value) else _SPACE)
        for value, new in tidy.items()
        if value not in variants
    }


def _tidy(value: str, counts: Mapping[str, int] | None = None, is_prose: bool = False) -> str:
    """The value without superfluous spaces; line breaks stay.

    With counts, spaces inside a value stay if it is long or recurs: then they are how it is written.
    """
    text = _BETWEEN.sub("", value.strip(" \t\xa0").replace("\xa0", " "))
    tidy = _SPACES.sub(" ", text)
    if counts is None:
        return tidy
    is_usual = counts[value] >= _MIN_COUNT and counts.get(tidy, 0) < counts[value]
    return text if is_prose or len(text) > _MAX_INNER_LENGTH or is_usual else tidy
