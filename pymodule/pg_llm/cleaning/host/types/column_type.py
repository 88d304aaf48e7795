"""What a column's values are, and a repair of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pg_llm.values.host.dates import Order

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The semantic type of a column.

    `share` is the share of the cells that fit it, words for missing values not counted. The other fields are None
    where the column does not show them: the decimal mark of its numbers, the order of the parts of its dates, their
    form as of strftime() and the language of their months, the region of its phone numbers, the unit or currency of
    most values, the pattern of its codes. `ambiguous`: values have two readings, and nothing tells which is meant.
    """

    name: str
    share: float = 0.0
    decimal_mark: str | None = None
    order: Order | None = None
    form: str | None = None
    language: str | None = None
    region: str | None = None
    unit: str | None = None
    pattern: str | None = None
    ambiguous: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON takes them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ValueRepair:
    """A value of a column that is written wrong or otherwise than the others, and what it should be.

    `new` is None for a missing value. `kind` is the kind of error, `step` the one transformation of the column that
    the repair belongs to. Where `suspect` is true, no repair is known.
    """

    old: str
    new: str | None
    confidence: float
    kind: str
    step: str
    reason: str
    suspect: bool = False
