"""Other ways of writing the same: units, punctuation, case, space, dates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from pg_llm.cleaning.detectors import dates
from pg_llm.cleaning.detectors.value_patterns import Shape, shape, tokens
from pg_llm.cleaning.table import Opinion, Pulse, Table, number, watched

DETECTOR = "format"
_LEAST = 3
# Of the values that an edit makes, this share occurs in the column already.
_KNOWN_SHARE = 0.6
# A sign of percent or of a currency means less than a word: it may be left out on less evidence.
_SIGNS = frozenset("%$€£¥")
_KNOWN_SHARE_OF_SIGNS = 0.3
# A way of writing that more of the column has than this is not the odd one.
_ODD = 0.4
_DOMINANT = 0.6
# One spelling of several that differ by case and space only, so many times as frequent as another.
_RATIO = 5
# Letters of which another case may be another unit or code.
_CODE = 3
_LONGEST = 200

Odd = dict[str, tuple[str, float, str]]


def opinions(table: Table) -> Iterator[Opinion]:
    """What is written in an odd way, as the rest of the column would write it."""
    for column, counts in enumerate(table.counts):
        short = {value: count for value, count in table.watched(counts.items()) if len(value) <= _LONGEST}
        if all(number(value) is not None for value in table.watched(short)):
            # Also saves the time for the largest columns.
            continue
        odd = _odd(short, table.pulse)
        if not odd:
            continue
        for row, value in enumerate(table.watched(table.columns[column])):
            if value and value in odd:
                new, sure, reason = odd[value]
                yield Opinion((row, column), new, sure, DETECTOR, reason)


def _odd(counts: Mapping[str, int], pulse: Pulse) -> Odd:
    by_shape: defaultdict[Shape, list[str]] = defaultdict(list)
    for value in watched(counts, pulse):
        by_shape[shape(value)].append(value)
    frequency: Counter[Shape] = Counter()
    for its, values in watched(by_shape.items(), pulse):
        frequency[its] = sum(counts[value] for value in watched(values, pulse))
    return (
        _variants(counts, pulse)
        | _affixes(counts, by_shape, frequency, pulse)
        | _separators(counts, by_shape, frequency, pulse)
        | dates.odd(counts, pulse)
    )


def _variants(counts: Mapping[str, int], pulse: Pulse) -> Odd:
    """Values that are a frequent one but for case and space."""
    first: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    untidy: list[str] = []
    for value in watched(counts, pulse):
        tidy = _tidy(value)
        if tidy != value:
            untidy.append(value)
        folded = tidy.casefold()
        if first.setdefault(folded, value) is not value:
            groups.setdefault(folded, [first[folded]]).append(value)
    found: Odd = {}
    for same in watched(groups.values(), pulse):
        best = max(same, key=lambda value: (counts[value], value))
        for value in same:
            if value != best and counts[best] >= max(_LEAST, _RATIO * counts[value]):
                code = sum(c.isalpha() for c in value) <= _CODE and _tidy(value) != _tidy(best)
                found[value] = (best, 0.6 if code else 0.97, f"{best!r} occurs {counts[best]} times")
    if len(untidy) >= _ODD * len(counts):
        return found
    for value in watched(untidy, pulse):
        # A space too many in a value that comes again and again is how this column writes it.
        tidy = _tidy(value) if counts[value] < _LEAST else value.strip(" \t")
        if tidy != value and tidy.casefold() not in groups:
            found[value] = (tidy, 0.98, "superfluous space")
    return found


def _tidy(value: str) -> str:
    """Without superfluous spaces; lines stay lines."""
    return "\n".join(" ".join(line.split()) for line in value.split("\n"))


def _affixes(
    counts: Mapping[str, int], by_shape: Mapping[Shape, list[str]], frequency: Counter[Shape], pulse: Pulse
) -> Odd:
    """Values with something before or after them without which they are of the column's usual shape and in it."""
    usual, most = frequency.most_common(1)[0]
    total = frequency.total()
    # Of words nobody knows which is the one too many; a number alone is usual in many columns and says little.
    if "9" not in usual or "a" in usual or most < _DOMINANT / 2 * total:
        return {}
    made: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for its, values in by_shape.items():
        extra = len(its) - len(usual)
        start = next((start for start in range(extra + 1) if its[start : start + len(usual)] == usual), None)
        if extra <= 0 or start is None or frequency[its] > _ODD * total:
            continue
        for value in watched(values, pulse):
            parts = tokens(value)
            affix = ("".join(parts[:start]), "".join(parts[start + len(usual) :]))
            if not any(c.isdigit() or c in "+-" for c in "".join(affix)):
                made[affix][value] = "".join(parts[start : start + len(usual)])
    found: Odd = {}
    for affix, cores in made.items():
        known = sum(core in counts for core in watched(cores.values(), pulse))
        least = _KNOWN_SHARE_OF_SIGNS if set("".join(affix)) <= _SIGNS | {" "} else _KNOWN_SHARE
        if len(cores) >= _LEAST and known >= least * len(cores):
            what = " and ".join(repr(part) for part in affix if part)
            for value, core in watched(cores.items(), pulse):
                found[value] = (core, 0.57 + 0.4 * known / len(cores), f"without {what} it is as most others are")
    return found


def _separators(
    counts: Mapping[str, int], by_shape: Mapping[Shape, list[str]], frequency: Counter[Shape], pulse: Pulse
) -> Odd:
    """Numbers in groups that other characters part than in most of the column: 555.123.4567 for 555-123-4567."""
    usual, most = frequency.most_common(1)[0]
    total = frequency.total()
    # Two numbers and what stands between may be a fraction, which says another thing with another character.
    if usual.count("9") < 3 or most < _DOMINANT * total:
        return {}
    lengths: Counter[tuple[int, ...]] = Counter()
    for value in watched(by_shape[usual], pulse):
        lengths[_lengths(value)] += counts[value]
    digits, of_these = lengths.most_common(1)[0]
    # Where the groups' lengths vary, as those of days and months do, one says nothing of which is which.
    if of_these < _DOMINANT * most:
        return {}
    found: Odd = {}
    for its, values in by_shape.items():
        differs = [place for place, kind in enumerate(its) if len(its) == len(usual) and kind != usual[place]]
        signs = all(kind not in ("9", "a") for place in differs for kind in (its[place], usual[place]))
        if not differs or not signs or not _LEAST <= frequency[its] <= _ODD * total:
            continue
        for value in watched(values, pulse):
            if _lengths(value) == digits and not dates.is_date(value):
                parts = tokens(value)
                for place in differs:
                    parts[place] = usual[place]
                found[value] = ("".join(parts), 0.97, f"most others are written {''.join(usual)}")
    return found


def _lengths(value: str) -> tuple[int, ...]:
    return tuple(len(token) for token in tokens(value) if token[0].isdigit())
