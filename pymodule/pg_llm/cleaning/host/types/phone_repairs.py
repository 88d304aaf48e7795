"""Phone numbers that are written otherwise than those of their column.

Where the groups of digits end, the numbering plan says: area codes of one country differ in length, so two numbers with
the same signs are written alike although their groups are not as long.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pg_llm.cleaning.host.types import code_repairs
from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair
from pg_llm.values.host import phones
from pg_llm.values.host.phones import Number

_MIN_COUNT, _MIN_SHARE = 5, 0.6
_SAMPLE = 1000
# How many of the numbers that are written alike must have the groups of one convention; and be numbers of one country.
_MIN_FITTING, _MIN_COUNTRY = 0.9, 0.98
# Where so many are valid numbers, another one is a slip.
_MIN_STRICT = 0.95
_SURE, _LIKELY = 0.97, 0.9


class _Convention(NamedTuple):
    """How a column writes numbers: what comes first, the lengths of the groups that follow, and the signs around all.

    `lead` are parts of the numbering plan; without `lengths` all other digits are one group.
    """

    lead: Sequence[str]
    lengths: Sequence[int]
    signs: Sequence[str]

    def groups(self, number: Number) -> list[str] | None:
        """The groups of a number's digits; None where the others do not have those lengths."""
        parts = {"country": number.country, "area": number.area, "trunk": number.trunk + number.area}
        first = [parts[name] for name in self.lead]
        rest = number.subscriber if {"area", "trunk"} & {*self.lead} else number.area + number.subscriber
        lengths = self.lengths or [len(rest)]
        if not all(first) or sum(lengths) != len(rest):
            return None
        ends = [sum(lengths[: place + 1]) for place in range(len(lengths))]
        return [*first, *(rest[end - length : end] for end, length in zip(ends, lengths, strict=True))]

    def write(self, number: Number) -> str | None:
        """The number as the column writes it."""
        groups = self.groups(number)
        if groups is None or len(groups) + 1 != len(self.signs):
            return None
        return self.signs[0] + "".join(group + sign for group, sign in zip(groups, self.signs[1:], strict=True))


def repairs(counts: Counts, column: ColumnType) -> Iterator[ValueRepair]:
    """Numbers with other signs, with or without the country's code, in the form that most have."""
    forms: Counter[str] = Counter()
    for value, count in counts.items():
        forms[_form(value)] += count
    form, most = forms.most_common(1)[0]
    if most < max(_MIN_COUNT, _MIN_SHARE * forms.total()) or "9" not in form:
        return
    alike = [value for value in counts if _form(value) == form]
    others = [value for value in counts if _form(value) != form]
    example = max(alike, key=lambda value: counts[value])
    step = f"phones are written as {code_repairs.shape(example)}"
    # Reading one takes long; so many tell what all follow.
    sample = alike[:_SAMPLE]
    region = column.region or _region(sample)
    numbers = {value: phones.plan(value, region) for value in (*sample, *others)}
    convention = _convention([(value, numbers[value]) for value in sample], form)
    dominant = _dominant_shape(alike, counts) if convention is None else None
    valid = most * sum(counts[value] for value in sample if numbers[value]) / sum(counts[value] for value in sample)
    is_valid = valid + sum(counts[value] for value in others if numbers[value]) >= _MIN_STRICT * forms.total()
    for value in others:
        number = numbers[value]
        if convention is None:
            new = None if dominant is None else _in_shape(value, dominant)
        else:
            new = None if number is None else convention.write(number)
        if new is not None and new != value:
            yield ValueRepair(value, new, _SURE, "phone", step, f"most others are written as {example}")
        elif number is None and is_valid:
            reason = "it is no valid number, as nearly all others are"
            yield ValueRepair(value, None, _LIKELY, "phone", "numbers that are not valid", reason, suspect=True)


def _dominant_shape(alike: Sequence[str], counts: Counts) -> str | None:
    """The shape that all but a few have, with the lengths of their groups."""
    shapes: Counter[str] = Counter()
    for each in alike:
        shapes[code_repairs.shape(each)] += counts[each]
    dominant, most = shapes.most_common(1)[0]
    return dominant if most >= _MIN_FITTING * shapes.total() else None


def _in_shape(value: str, dominant: str) -> str | None:
    """The value's digits in the shape of numbers that are in no plan, as made-up ones."""
    digits = re.sub(r"\D", "", value)
    if re.findall("9+", dominant) == ["999", "999", "9999"] and re.fullmatch(r"1\d{10}", digits):
        # North America's numbers have ten digits, and their country code is 1.
        value = digits[1:]
    return code_repairs.filled(value, dominant)


def _form(value: str) -> str:
    """The value with each run of digits as 9, however long it is."""
    return re.sub(r"\d+", "9", value)


def _region(alike: Sequence[str]) -> str | None:
    """The region of numbers that nearly all have the code of one country."""
    numbers = [number for value in alike if (number := phones.plan(value, None))]
    if not numbers:
        return None
    ((country, most),) = Counter(number.country for number in numbers).most_common(1)
    return phones.region_of_country(country) if most >= _MIN_COUNTRY * len(numbers) else None


def _convention(alike: Sequence[tuple[str, Number | None]], form: str) -> _Convention | None:
    """What nearly all of these numbers follow, told by the numbering plan; None where nothing does."""
    signs = form.split("9")
    numbers = [(value, number) for value, number in alike if number]
    if not numbers or 2 * len(numbers) < len(alike):
        return None
    usual = Counter(tuple(map(len, re.findall(r"\d+", value))) for value, _ in numbers).most_common(1)[0][0]
    for lead in (("country", "area"), ("trunk",), ("area",), ("country",), ()):
        behind = usual[len(lead) :]
        if not behind:
            continue
        convention = _Convention(lead, behind if len(behind) > 1 else (), signs)
        fitting = sum(convention.write(number) == value for value, number in numbers)
        if fitting >= _MIN_FITTING * len(numbers):
            return convention
    return None
