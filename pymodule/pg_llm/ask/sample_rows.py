"""Sample rows: the first rows of each table, which show a model what its columns hold."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask.schema import Schema, SchemaColumn
from pg_llm.ask.schema_reader import ValueLookup, sample_rows
from pg_llm.database.column_types import as_text

# Columns of other types, as documents and vectors, say little for their length.
_KINDS = ("number", "text", "date", "time", "bool")
_LONGEST_VALUE = 40

# The text of each value by the name of its column.
Row = dict[str, str]


def read(schema: Schema, lookup: ValueLookup, count: int) -> dict[int, list[Row]]:
    """The first rows of each table without its nulls; none of a table that cannot be read in time."""
    sampled = {}
    for index, table in enumerate(schema.tables):
        columns = [column for column in table.columns if column.kind in _KINDS]
        rows = lookup.rows(_query(columns, count), table.oid) if columns else []
        sampled[index] = [
            {columns[int(place)].sql: value for place, value in row.items() if value is not None} for row in rows
        ]
    return sampled


def _query(columns: Sequence[SchemaColumn], count: int) -> str:
    values = ", ".join(
        f'left({as_text(f"t.{column.sql}", column.builtin)}, {_LONGEST_VALUE}) AS "{place}"'
        for place, column in enumerate(columns)
    )
    return f"SELECT {values} FROM {sample_rows(columns)} AS t LIMIT {count}"
