"""What marked cells and earlier corrections teach: programs that make the right value of a wrong one.

A program is believed as far as the marks bear it out, right values included, which it must leave alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.host.detectors import programs, token_edits
from pg_llm.cleaning.host.detectors.programs import Program
from pg_llm.cleaning.host.detectors.value_patterns import shape
from pg_llm.cleaning.host.table import Column, Finding, Repair, Step, Table, Value, parse_number
from pg_llm.cleaning.host.types import missing

DETECTOR = "learnt"
# A single correction tells nothing about other cells.
_MIN_EXAMPLES = 2
# A general program needs so many, or right values beside them that it leaves alone.
_MIN_GENERAL = 3
_MIN_LEFT_ALONE = 5
# A value may be corrected everywhere if its correction is so many times as frequent.
_RATIO = 5
_MIN_CONFIDENCE = 0.5
_MAX_LENGTH = 200
# Factor for values of a shape that no example has.
_UNSEEN_SHAPE = 0.9

# A value and its correction, or itself where it is right.
Pair = tuple[Value, Value]


def detect(table: Table) -> Iterator[Finding]:
    """Cells that programs learnt in their column change."""
    pairs_by_column: defaultdict[int, Counter[Pair]] = defaultdict(Counter)
    for (row, position), truth in table.marks.items():
        pairs_by_column[position][table.columns[position].value(row) or None, truth or None] += 1
    for position, old, new in table.corrections:
        pairs_by_column[position][old, new] += 1
    for position, pairs in pairs_by_column.items():
        column = table.columns[position]
        short = Counter({pair: count for pair, count in pairs.items() if _is_short(pair)})
        yield from table.findings(position, _repairs(column, short), DETECTOR)


def _is_short(pair: Pair) -> bool:
    return max(len(text or "") for text in pair) <= _MAX_LENGTH


@dataclass(frozen=True, slots=True)
class _Learned:
    """A program, how far marks bear it out, and its examples with their shapes."""

    program: Program
    confidence: float
    example: Pair
    examples: frozenset[Pair]
    shapes: frozenset[tuple[str, ...]]


def _repairs(column: Column, pairs: Counter[Pair]) -> dict[str, Repair]:
    replacements = _replacements(pairs, column.counts)
    learned = _learn(pairs)
    settled = {old for old, new in pairs if old == new}
    repairs = {}
    for value in column.counts:
        if value in settled or len(value) > _MAX_LENGTH:
            continue
        repair = _apply(learned, value)
        if value in replacements and (repair is None or repair.new != replacements[value][0]):
            repair = _replacement(column, value, *replacements[value])
        if repair is not None:
            repairs[value] = repair
    return repairs


def _replacement(column: Column, value: str, new: Value, confidence: float) -> Repair:
    step = Step(f"{'NULL' if new is None else repr(new)} for {value!r}")
    return Repair(column.missing if new is None else new, confidence, f"{value!r} was corrected so elsewhere", step)


def _apply(learned: Sequence[_Learned], value: str) -> Repair | None:
    """The repair by the first program that changes the value."""
    for each in learned:
        new = each.program.apply(value)
        if new is not None and new != value and new.strip():
            confidence = each.confidence * (1.0 if shape(value) in each.shapes else _UNSEEN_SHAPE)
            reason = f"as {each.example[0]!r} became {each.example[1]!r}"
            step = Step(each.program.description, each.program.condition, each.program.expression)
            return Repair(new, confidence, reason, step) if confidence >= _MIN_CONFIDENCE else None
    return None


def _replacements(pairs: Counter[Pair], counts: Mapping[str, int]) -> dict[str, tuple[Value, float]]:
    """Whole values that were corrected alike more than once; a frequent one may be right in its other cells."""
    total: Counter[Value] = Counter()
    for (old, _), count in pairs.items():
        total[old] += count
    replacements = {}
    for (old, new), count in pairs.items():
        if old is None or old == new:
            continue
        confidence = _confidence(count, total[old] - count)
        # One mark is enough where the word itself says that nothing is known.
        enough = count >= _MIN_EXAMPLES or (new is None and missing.kind(old) is not None)
        elsewhere = new is not None and shape(old) == shape(new) and _RATIO * counts.get(old, 0) > counts.get(new, 0)
        if enough and confidence >= _MIN_CONFIDENCE and not elsewhere:
            replacements[old] = (new, confidence)
    return replacements


def _learn(pairs: Counter[Pair]) -> list[_Learned]:
    """Programs that several values were corrected by, the most special first."""
    texts = {(old, new): count for (old, new), count in pairs.items() if old is not None and new is not None}
    changed = [pair for pair in texts if pair[0] != pair[1]]
    decimals = max((len(new.partition(".")[2]) for _, new in texts if parse_number(new) is not None), default=0)
    candidates: dict[Program, None] = {}
    for old, new in changed:
        candidates |= dict.fromkeys(programs.propose(old, new, decimals))
    candidates |= dict.fromkeys(token_edits.learn(changed))
    # The more special first.
    learned = [each for program in candidates if (each := _evaluate(program, texts))]
    return sorted(_cover(learned), key=lambda each: (each.program.general, -each.confidence))


def _cover(learned: list[_Learned]) -> Iterator[_Learned]:
    """Few programs that make all the examples that any of them makes, of equal ones the most special (set cover)."""
    covered: set[Pair] = set()
    while learned:
        best = min(learned, key=lambda each: -len(each.examples - covered) * each.confidence)
        if best.examples <= covered:
            return
        yield best
        covered |= best.examples
        learned = [each for each in learned if each is not best]


def _evaluate(program: Program, texts: Mapping[tuple[str, str], int]) -> _Learned | None:
    """The program as the marks bear it out; None if too few do."""
    right: list[tuple[str, str]] = []
    against = left_alone = 0
    for old, new in texts:
        made = program.apply(old)
        if made == new != old:
            right.append((old, new))
        elif made not in (None, old):
            against += 1
        else:
            left_alone += old == new
    enough = _MIN_EXAMPLES
    if program.general and left_alone < _MIN_LEFT_ALONE:
        enough = _MIN_GENERAL
    confidence = _confidence(len(right), against)
    if len(right) < enough or confidence < _MIN_CONFIDENCE:
        return None
    shapes = frozenset(shape(old) for old, _ in right)
    return _Learned(program, confidence, right[0], frozenset(right), shapes)


def _confidence(count: int, against: int) -> float:
    """The share of examples that agree, smoothed (Jeffreys prior)."""
    return (count + 0.5) / (count + against + 1)
