"""Inconsistent formats: values written otherwise than the rest of their column (units, separators, case, space)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from pg_llm.cleaning.host.detectors import dates
from pg_llm.cleaning.host.detectors.value_patterns import Shape, shape, tokens
from pg_llm.cleaning.host.table import Finding, Repair, Table, parse_number

DETECTOR = "format"
_MIN_COUNT = 3
# Share of the values that removing an affix makes which must occur in the column already.
_MIN_KNOWN_SHARE = 0.6
# A percent or currency sign means less than a word: it may be removed on less evidence.
_SIGNS = frozenset("%$€£¥")
_MIN_KNOWN_SHARE_OF_SIGNS = 0.3
# A format that more of the column has than this is no minority; the dominant one has at least that share.
_MAX_MINORITY_SHARE = 0.4
_MIN_DOMINANT_SHARE = 0.6
# A spelling is right if it is so many times as frequent as others that differ by case and space only.
_RATIO = 5
# With so few letters, another case may be another unit or code.
_CODE_LETTERS = 3
_MAX_LENGTH = 200

# Value to repair, confidence and reason.
Repairs = dict[str, tuple[str, float, str]]


def detect(table: Table) -> Iterator[Finding]:
    """Values in a minority format, each with the form that the rest of the column has."""
    for position, column in enumerate(table.columns):
        short = {value: count for value, count in column.counts.items() if len(value) <= _MAX_LENGTH}
        # Also saves the time for the largest columns.
        if any(parse_number(value) is None for value in short):
            repairs = {value: Repair(*repair) for value, repair in _find_repairs(short).items()}
            yield from table.findings(position, repairs, DETECTOR)


def _find_repairs(counts: Mapping[str, int]) -> Repairs:
    by_shape: defaultdict[Shape, list[str]] = defaultdict(list)
    for value in counts:
        by_shape[shape(value)].append(value)
    frequency: Counter[Shape] = Counter()
    for shape_, values in by_shape.items():
        frequency[shape_] = sum(counts[value] for value in values)
    return (
        _case_and_space(counts)
        | _affixes(counts, by_shape, frequency)
        | _separators(counts, by_shape, frequency)
        | dates.repairs(counts)
    )


def _case_and_space(counts: Mapping[str, int]) -> Repairs:
    """Values that equal a frequent one but for case and space, and values with superfluous space."""
    first: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    untidy: list[str] = []
    for value in counts:
        tidy = _collapse_spaces(value)
        if tidy != value:
            untidy.append(value)
        folded = tidy.casefold()
        if first.setdefault(folded, value) is not value:
            groups.setdefault(folded, [first[folded]]).append(value)
    repairs: Repairs = {}
    for group in groups.values():
        best = max(group, key=lambda value: (counts[value], value))
        for value in group:
            if value != best and counts[best] >= max(_MIN_COUNT, _RATIO * counts[value]):
                is_code = sum(c.isalpha() for c in value) <= _CODE_LETTERS
                may_differ = is_code and _collapse_spaces(value) != _collapse_spaces(best)
                repairs[value] = (best, 0.6 if may_differ else 0.97, f"{best!r} occurs {counts[best]} times")
    if len(untidy) >= _MAX_MINORITY_SHARE * len(counts):
        return repairs
    for value in untidy:
        # Inner spaces of a recurring value are how this column writes it.
        tidy = _collapse_spaces(value) if counts[value] < _MIN_COUNT else value.strip(" \t")
        if tidy != value and tidy.casefold() not in groups:
            repairs[value] = (tidy, 0.98, "superfluous space")
    return repairs


def _collapse_spaces(value: str) -> str:
    """The value without superfluous spaces; line breaks stay."""
    return "\n".join(" ".join(line.split()) for line in value.split("\n"))


def _affixes(counts: Mapping[str, int], by_shape: Mapping[Shape, list[str]], frequency: Counter[Shape]) -> Repairs:
    """Values with a prefix or suffix (a unit) without which they have the dominant shape and mostly occur already."""
    dominant, most = frequency.most_common(1)[0]
    total = frequency.total()
    # Among words it is unknown which one is superfluous; a lone number is common in many columns and shows little.
    if "9" not in dominant or "a" in dominant or most < _MIN_DOMINANT_SHARE / 2 * total:
        return {}
    cores_by_affix: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    width = len(dominant)
    for shape_, values in by_shape.items():
        extra = len(shape_) - width
        start = next((start for start in range(extra + 1) if shape_[start : start + width] == dominant), None)
        if extra <= 0 or start is None or frequency[shape_] > _MAX_MINORITY_SHARE * total:
            continue
        for value in values:
            parts = tokens(value)
            affix = ("".join(parts[:start]), "".join(parts[start + width :]))
            if not any(c.isdigit() or c in "+-" for c in "".join(affix)):
                cores_by_affix[affix][value] = "".join(parts[start : start + width])
    repairs: Repairs = {}
    for affix, cores in cores_by_affix.items():
        known = sum(core in counts for core in cores.values())
        least = _MIN_KNOWN_SHARE_OF_SIGNS if set("".join(affix)) <= _SIGNS | {" "} else _MIN_KNOWN_SHARE
        if len(cores) >= _MIN_COUNT and known >= least * len(cores):
            removed = " and ".join(repr(part) for part in affix if part)
            for value, core in cores.items():
                confidence = 0.57 + 0.4 * known / len(cores)
                repairs[value] = (core, confidence, f"without {removed} it is as most others are")
    return repairs


def _separators(counts: Mapping[str, int], by_shape: Mapping[Shape, list[str]], frequency: Counter[Shape]) -> Repairs:
    """Grouped numbers with other separators than most of the column: 555.123.4567 for 555-123-4567."""
    dominant, most = frequency.most_common(1)[0]
    total = frequency.total()
    # Two numbers and one separator may be a fraction, which another separator would change.
    if dominant.count("9") < 3 or most < _MIN_DOMINANT_SHARE * total:
        return {}
    lengths: Counter[tuple[int, ...]] = Counter()
    for value in by_shape[dominant]:
        lengths[_digit_lengths(value)] += counts[value]
    dominant_lengths, most_lengths = lengths.most_common(1)[0]
    # Groups of varying length, such as days and months, may be in another order.
    if most_lengths < _MIN_DOMINANT_SHARE * most:
        return {}
    repairs: Repairs = {}
    for shape_, values in by_shape.items():
        differs = [
            position
            for position, kind in enumerate(shape_)
            if len(shape_) == len(dominant) and kind != dominant[position]
        ]
        are_signs = all(
            kind not in ("9", "a") for position in differs for kind in (shape_[position], dominant[position])
        )
        if not differs or not are_signs or not _MIN_COUNT <= frequency[shape_] <= _MAX_MINORITY_SHARE * total:
            continue
        for value in values:
            if _digit_lengths(value) == dominant_lengths and not dates.is_date(value):
                parts = tokens(value)
                for position in differs:
                    parts[position] = dominant[position]
                repairs[value] = ("".join(parts), 0.97, f"most others are written {''.join(dominant)}")
    return repairs


def _digit_lengths(value: str) -> tuple[int, ...]:
    return tuple(len(token) for token in tokens(value) if token[0].isdigit())
