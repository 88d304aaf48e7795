"""Edits that are learnt from known cells and corrections of before.

An edit says how the tokens of a value become those of another: which to keep, in which order, what to put between.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from pg_llm.cleaning.detectors.value_patterns import Shape, shape, tokens
from pg_llm.cleaning.table import Opinion, Table

DETECTOR = "learnt edit"
# One correction says nothing of other cells.
_LEAST = 2
# A value is so many times as frequent as another for the other to be no value of its own.
_RATIO = 5
_LEAST_SURE = 0.5
_LONGEST = 200

# For each token of the result: the place of an old token and what is done to it, or a literal.
Step = tuple[int, str] | str
Edit = tuple[Shape, tuple[Step, ...]]
Pair = tuple[str, str]

_CHANGES: dict[str, Callable[[str], str]] = {
    "": lambda token: token,
    "lower": str.lower,
    "upper": str.upper,
    "title": str.capitalize,
    "number": lambda token: token.lstrip("0") or "0",
}


def edit(old: str, new: str) -> Edit:
    """The edit that makes new of old."""
    found, used, steps = tokens(old), set[int](), list[Step]()
    for token in tokens(new):
        step = next(
            (
                (place, how)
                for how, change in _CHANGES.items()
                for place, its in enumerate(found)
                if place not in used and change(its) == token
            ),
            None,
        )
        if step is None:
            steps.append(token)
        else:
            used.add(step[0])
            steps.append(step)
    return shape(old), tuple(steps)


def edited(value: str, how: Edit) -> str:
    """What the edit makes of a value of its shape."""
    found = tokens(value)
    return "".join(step if isinstance(step, str) else _CHANGES[step[1]](found[step[0]]) for step in how[1])


def opinions(table: Table) -> Iterator[Opinion]:
    """What edits of known cells make of the others of their column, as sure as the known cells bear them out."""
    by_column: defaultdict[int, Counter[Pair]] = defaultdict(Counter)
    for (row, column), truth in table.watched(table.marks.items()):
        old = table.columns[column][row]
        if old and truth and max(len(old), len(truth)) <= _LONGEST:
            by_column[column][old, truth] += 1
    for column, old, new in table.watched(table.history):
        if max(len(old), len(new)) <= _LONGEST:
            by_column[column][old, new] += 1
    for column, pairs in by_column.items():
        yield from _of_column(table, column, pairs)


def _of_column(table: Table, column: int, pairs: Counter[Pair]) -> Iterator[Opinion]:
    whole = _wholes(pairs, table.counts[column])
    by_shape = _edits(table, pairs)
    right = {old for old, new in pairs if old == new}
    for row, value in enumerate(table.watched(table.columns[column])):
        if not value or value in right or len(value) > _LONGEST or (row, column) in table.marks:
            continue
        if value in whole:
            new, sure = whole[value]
            yield Opinion((row, column), new, sure, DETECTOR, f"{value!r} was corrected so elsewhere")
            continue
        for how, sure, example in by_shape.get(shape(value), ()) if by_shape else ():
            new = edited(value, how)
            if new != value:
                yield Opinion((row, column), new, sure, DETECTOR, f"as {example[0]!r} became {example[1]!r}")


def _wholes(pairs: Counter[Pair], counts: Counter[str]) -> dict[str, tuple[str, float]]:
    """Values that were corrected alike more than once; a frequent one that two cells should not hold may be right."""
    said: Counter[str] = Counter()
    for (old, _), count in pairs.items():
        said[old] += count
    return {
        old: (new, _sure(count, said[old] - count))
        for (old, new), count in pairs.items()
        if old != new
        and count >= _LEAST
        and _sure(count, said[old] - count) >= _LEAST_SURE
        and (shape(old) != shape(new) or _RATIO * counts[old] <= counts[new])
    }


def _edits(table: Table, pairs: Counter[Pair]) -> dict[Shape, list[tuple[Edit, float, Pair]]]:
    """What different values have in common that were corrected, by the shape that it is done to, the surest last."""
    said: defaultdict[Edit, list[Pair]] = defaultdict(list)
    by_shape: defaultdict[Shape, list[Pair]] = defaultdict(list)
    for old, new in table.watched(pairs):
        by_shape[shape(old)].append((old, new))
        if old != new:
            said[edit(old, new)].append((old, new))
    found: defaultdict[Shape, list[tuple[Edit, float, Pair]]] = defaultdict(list)
    for how, its in said.items():
        if len(its) >= _LEAST:
            against = sum(edited(old, how) != new for old, new in table.watched(by_shape[how[0]]))
            sure = _sure(len(its), against)
            if sure >= _LEAST_SURE:
                found[how[0]].append((how, sure, its[0]))
    for edits in found.values():
        edits.sort(key=lambda item: item[1])
    return dict(found)


def _sure(count: int, against: int) -> float:
    return (count + 0.5) / (count + against + 1)
