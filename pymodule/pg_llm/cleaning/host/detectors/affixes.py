"""Units and signs beside a minority of a column's numbers, without which they are as most others are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from pg_llm.cleaning.host.detectors import programs
from pg_llm.cleaning.host.detectors.value_patterns import Shape, shape, tokens
from pg_llm.cleaning.host.table import Finding, Repair, Step, Table, parse_number

DETECTOR = "unit"
_MIN_COUNT = 3
# Share of the values that removing an affix makes which must occur in the column already.
_MIN_KNOWN_SHARE = 0.6
# A percent or currency sign means less than a word: it may be removed on less evidence.
_SIGNS = frozenset("%$€£¥")
_MIN_KNOWN_SHARE_OF_SIGNS = 0.3
# A format that more of the column has than this is no minority; the dominant one has at least that share.
_MAX_MINORITY_SHARE = 0.4
_MIN_DOMINANT_SHARE = 0.3
# A single letter beside a number makes a code: 10A.
_MIN_LETTERS = 2
_MAX_LENGTH = 200


def detect(table: Table) -> Iterator[Finding]:
    """Values with such a prefix or suffix, each without it."""
    for position, column in enumerate(table.columns):
        short = {value: count for value, count in column.counts.items() if len(value) <= _MAX_LENGTH}
        # Also saves the time for the largest columns.
        if any(parse_number(value) is None for value in short):
            yield from table.findings(position, _repairs(short), DETECTOR)


def _repairs(counts: Mapping[str, int]) -> dict[str, Repair]:
    by_shape: defaultdict[Shape, list[str]] = defaultdict(list)
    frequency: Counter[Shape] = Counter()
    for value, count in counts.items():
        of = shape(value)
        by_shape[of].append(value)
        frequency[of] += count
    dominant, most = frequency.most_common(1)[0]
    # Among words it is unknown which one is superfluous.
    if "9" not in dominant or "a" in dominant or most < _MIN_DOMINANT_SHARE * frequency.total():
        return {}
    most_cells = _MAX_MINORITY_SHARE * frequency.total()
    minorities = {of: values for of, values in by_shape.items() if frequency[of] <= most_cells}
    repairs: dict[str, Repair] = {}
    for affix, cores in _cores_by_affix(minorities, dominant).items():
        known = sum(core in counts for core in cores.values())
        least = _MIN_KNOWN_SHARE_OF_SIGNS if set("".join(affix)) <= _SIGNS | {" "} else _MIN_KNOWN_SHARE
        if len(cores) >= _MIN_COUNT and known >= least * len(cores):
            confidence = 0.57 + 0.4 * known / len(cores)
            removed = " and ".join(repr(part) for part in affix if part)
            reason = f"without {removed} it is as most others are"
            program = programs.strip(*affix)
            step = Step(program.description, program.condition, program.expression)
            repairs |= {value: Repair(core, confidence, reason, step) for value, core in cores.items()}
    return repairs


def _cores_by_affix(by_shape: Mapping[Shape, list[str]], dominant: Shape) -> dict[tuple[str, str], dict[str, str]]:
    """The values that hold the dominant shape, by what they have before and after it, and what is between."""
    found: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    width = len(dominant)
    for of, values in by_shape.items():
        extra = len(of) - width
        start = next((start for start in range(extra + 1) if of[start : start + width] == dominant), None)
        if extra <= 0 or start is None:
            continue
        for value in values:
            parts = tokens(value)
            affix = ("".join(parts[:start]), "".join(parts[start + width :]))
            letters = sum(c.isalpha() for c in "".join(affix))
            if not any(c.isdigit() or c in "+-" for c in "".join(affix)) and not 0 < letters < _MIN_LETTERS:
                found[affix][value] = "".join(parts[start : start + width])
    return dict(found)
