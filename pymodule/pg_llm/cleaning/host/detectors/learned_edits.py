"""Token edits learnt from marked cells and earlier corrections, applied to values of the same shape.

This is programming by example (Gulwani 2011): an edit says which tokens of a value to keep, in which order, changed
how, and which literals to put between them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

from pg_llm.cleaning.host.detectors.value_patterns import Shape, shape, tokens
from pg_llm.cleaning.host.table import Column, Finding, Repair, Table

DETECTOR = "learnt edit"
# A single correction tells nothing about other cells.
_MIN_EXAMPLES = 2
# A value may be corrected everywhere if its correction is so many times as frequent.
_RATIO = 5
_MIN_CONFIDENCE = 0.5
_MAX_LENGTH = 200

# For each token of the result: position and change of an old token, or a literal.
Step = tuple[int, str] | str
Edit = tuple[Shape, tuple[Step, ...]]
# A value and its correction.
Pair = tuple[str, str]

_CHANGES: dict[str, Callable[[str], str]] = {
    "": lambda token: token,
    "lower": str.lower,
    "upper": str.upper,
    "title": str.capitalize,
    "number": lambda token: token.lstrip("0") or "0",
}


def derive_edit(old: str, new: str) -> Edit:
    """The edit that turns `old` into `new`."""
    old_tokens, used, steps = tokens(old), set[int](), list[Step]()
    for token in tokens(new):
        step = next(
            (
                (position, name)
                for name, change in _CHANGES.items()
                for position, old_token in enumerate(old_tokens)
                if position not in used and change(old_token) == token
            ),
            None,
        )
        if step is None:
            steps.append(token)
        else:
            used.add(step[0])
            steps.append(step)
    return shape(old), tuple(steps)


def apply_edit(value: str, edit: Edit) -> str:
    """The result of an edit on a value of its shape."""
    old_tokens = tokens(value)
    return "".join(step if isinstance(step, str) else _CHANGES[step[1]](old_tokens[step[0]]) for step in edit[1])


def detect(table: Table) -> Iterator[Finding]:
    """Cells that edits learnt in their column change, as confident as its marked cells and corrections agree."""
    pairs_by_column: defaultdict[int, Counter[Pair]] = defaultdict(Counter)
    for (row, column), truth in table.marks.items():
        old = table.columns[column].value(row)
        if old and truth and max(len(old), len(truth)) <= _MAX_LENGTH:
            pairs_by_column[column][old, truth] += 1
    for column, old, new in table.corrections:
        if max(len(old), len(new)) <= _MAX_LENGTH:
            pairs_by_column[column][old, new] += 1
    for column, pairs in pairs_by_column.items():
        yield from table.findings(column, _repairs(table.columns[column], pairs), DETECTOR)


def _repairs(column: Column, pairs: Counter[Pair]) -> dict[str, Repair]:
    replacements = _replacements(pairs, column.counts)
    edits_by_shape = _learn_edits(pairs)
    right = {old for old, new in pairs if old == new}
    repairs = {}
    for value in column.counts:
        if value in right or len(value) > _MAX_LENGTH:
            continue
        if value in replacements:
            new, confidence = replacements[value]
            repairs[value] = Repair(new, confidence, f"{value!r} was corrected so elsewhere")
            continue
        for edit, confidence, example in edits_by_shape.get(shape(value), ()) if edits_by_shape else ():
            new = apply_edit(value, edit)
            if new != value:
                # The last of several is the most confident.
                repairs[value] = Repair(new, confidence, f"as {example[0]!r} became {example[1]!r}")
    return repairs


def _replacements(pairs: Counter[Pair], counts: Mapping[str, int]) -> dict[str, tuple[str, float]]:
    """Whole values that were corrected alike more than once; a frequent one may be right in its other cells."""
    total: Counter[str] = Counter()
    for (old, _), count in pairs.items():
        total[old] += count
    return {
        old: (new, _confidence(count, total[old] - count))
        for (old, new), count in pairs.items()
        if old != new
        and count >= _MIN_EXAMPLES
        and _confidence(count, total[old] - count) >= _MIN_CONFIDENCE
        and (shape(old) != shape(new) or _RATIO * counts.get(old, 0) <= counts.get(new, 0))
    }


def _learn_edits(pairs: Counter[Pair]) -> dict[Shape, list[tuple[Edit, float, Pair]]]:
    """Edits that several values were corrected by, with confidence and example, by shape, the most confident last."""
    examples_by_edit: defaultdict[Edit, list[Pair]] = defaultdict(list)
    pairs_by_shape: defaultdict[Shape, list[Pair]] = defaultdict(list)
    for old, new in pairs:
        pairs_by_shape[shape(old)].append((old, new))
        if old != new:
            examples_by_edit[derive_edit(old, new)].append((old, new))
    edits_by_shape: defaultdict[Shape, list[tuple[Edit, float, Pair]]] = defaultdict(list)
    for edit, examples in examples_by_edit.items():
        if len(examples) >= _MIN_EXAMPLES:
            against = sum(apply_edit(old, edit) != new for old, new in pairs_by_shape[edit[0]])
            confidence = _confidence(len(examples), against)
            if confidence >= _MIN_CONFIDENCE:
                edits_by_shape[edit[0]].append((edit, confidence, examples[0]))
    for edits in edits_by_shape.values():
        edits.sort(key=lambda item: item[1])
    return dict(edits_by_shape)


def _confidence(count: int, against: int) -> float:
    """The share of examples that agree, smoothed (Jeffreys prior)."""
    return (count + 0.5) / (count + against + 1)
