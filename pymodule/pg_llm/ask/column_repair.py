"""Column repair: a column that a query looks for in the wrong table of its own is looked for in the one that has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pg_llm.ask.schema import Schema


def repaired(query: Mapping[str, Any], schema: Schema) -> str | None:
    """The query with other aliases before such columns; None where no column has exactly one table that it may be of.

    `query` is what the check of SQL tells of its `columns`.
    """
    tables = _columns_by_alias(query, schema)
    sql: str = query["sql"]
    for column in sorted(query["columns"], key=lambda column: -column["at"]):
        alias, name, at = column["alias"], column["name"], column["at"]
        having = [other for other, names in tables.items() if names is not None and name in names]
        known = tables.get(alias, set())
        if known is None or name in known or len(having) != 1 or sql[at : at + len(alias)].lower() != alias:
            continue
        sql = sql[:at] + having[0] + sql[at + len(alias) :]
    return None if sql == query["sql"] else sql


def _columns_by_alias(query: Mapping[str, Any], schema: Schema) -> dict[str, set[str] | None]:
    """The columns of the table that each alias stands for; None where it is none of the schema, or several."""
    found: dict[str, set[str] | None] = {}
    for table in query["tables"]:
        named = [one for one in schema.tables if one.name == table["name"]]
        columns = {column.name for column in named[0].columns} if len(named) == 1 else None
        found[table["alias"]] = columns if found.get(table["alias"], columns) == columns else None
    return found
