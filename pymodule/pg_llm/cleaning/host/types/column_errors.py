"""Errors of a column by kind, from its distinct values alone: what stands for a missing value, and other writings."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm.cleaning.host.types import (
    code_repairs,
    date_repairs,
    inference,
    missing_values,
    name_repairs,
    number_repairs,
    phone_repairs,
    sign_repairs,
    time_repairs,
    word_repairs,
)
from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair
from pg_llm.values.host import units


def column_errors(counts: Counts, column: ColumnType | None = None, name: str = "") -> list[ValueRepair]:
    """At most one repair or suspicion per value, the surest first; none for a value written as the others are.

    The column's name may tell the unit of its numbers.
    """
    column = column or inference.infer(counts)
    found: dict[str, ValueRepair] = {}
    for repair in _all(counts, column, name):
        if repair.old not in found or repair.confidence > found[repair.old].confidence:
            found[repair.old] = repair
    return sorted(found.values(), key=lambda repair: -repair.confidence)


def _all(counts: Counts, column: ColumnType, name: str) -> Iterator[ValueRepair]:
    missing = {repair.old: repair for repair in missing_values.repairs(counts, column)}
    yield from missing.values()
    present = {value: count for value, count in counts.items() if value not in missing}
    yield from sign_repairs.repairs(present, column)
    if column.name in number_repairs.NUMERIC:
        yield from number_repairs.sentinels(present)
        yield from number_repairs.repairs(present, column, units.in_name(name))
    elif column.name in ("date", "timestamp"):
        yield from date_repairs.repairs(present, column)
    elif column.name == "time":
        yield from time_repairs.repairs(present)
    elif column.name in ("iban", "isbn", "card"):
        yield from code_repairs.of_checked(present, column.name)
    elif column.name == "phone":
        yield from phone_repairs.repairs(present, column)
    elif column.name in ("code", "postcode"):
        yield from code_repairs.repairs(present, column)
    else:
        yield from word_repairs.repairs(present, column)
    if column.name in name_repairs.TYPES:
        yield from name_repairs.repairs(present, column)
