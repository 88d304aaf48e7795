"""Signs around values that the rest of their column goes without: quotation marks, a full stop, _ for a space."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair
from pg_llm.values.host import numbers

_STEP = "signs around values are taken off"
_SURE = 0.97
# Letters and digits of a value at least, and how much more frequent it must be without the signs.
_MIN_LENGTH, _MIN_RATIO = 3, 2
# A shape that so many of the cells have is the column's, and one that so few have is not.
_MIN_COMMON, _MAX_RARE = 0.2, 0.3
# Texts end in a full stop; lists of words may be of any shape.
_PROSE = frozenset(("text", ""))
_NUMERIC = frozenset("integer decimal money percent quantity".split())
_WORDS = frozenset("name category person company address".split())


def repairs(counts: Counts, column: ColumnType) -> Iterator[ValueRepair]:
    """Values that without such signs occur more often, or have a shape of the column's."""
    if column.name in _PROSE:
        return
    shapes: Counter[str] = Counter()
    for value, count in counts.items():
        shapes[_shape(value)] += count
    total = shapes.total()
    for value, count in counts.items():
        bare = value.strip(" .\"'\u201c\u201d\u201e").replace("_", " ")
        if column.name in _NUMERIC:
            # Spreadsheets write '5 for a number that is a text. What else stands around one is looked at elsewhere.
            if not numbers.readings(value) and (quoted := value.strip(" \"'")) != value and numbers.readings(quoted):
                yield ValueRepair(value, quoted, _SURE, "number", _STEP, "others are numbers")
            continue
        if bare == value.strip() or len(bare) < _MIN_LENGTH:
            continue
        is_known = counts.get(bare, 0) >= max(2, _MIN_RATIO * count)
        # A point after letters is that of an abbreviation.
        is_abbreviation = value.endswith(".") and bare.isalpha()
        is_shaped = shapes[_shape(bare)] >= _MIN_COMMON * total and shapes[_shape(value)] < _MAX_RARE * total
        is_shaped = is_shaped and not is_abbreviation
        if is_known or (is_shaped and column.name not in _WORDS and len(shapes) < total):
            reason = f"{bare!r} occurs {counts[bare]} times" if is_known else "most others have no such signs"
            yield ValueRepair(value, bare, _SURE, "variant", _STEP, reason)


def _shape(value: str) -> str:
    """The value with each run of digits as 9, and of letters as a."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", value))
