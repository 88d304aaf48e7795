"""k-anonymity (Samarati and Sweeney 1998): how many rows at least are alike in what outsiders may know of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.database import catalog, table_access
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput


def k(db: Connection, target: str, columns: Sequence[str | None] | None) -> dict[str, Any]:
    """The size of the smallest group of rows that are alike in these columns, and the number of groups.

    NULL is alike to NULL. An empty table has no group, and k is NULL.
    """
    names = [name for name in dict.fromkeys(columns or ()) if name is not None]
    if not names:
        raise InvalidInput("quasi_identifiers must name columns", hint="Write '{age,postcode}'.")
    table = catalog.relation(db, target, key=names)
    grouped = ", ".join(table.text(name) for name in names)
    query = (
        "SELECT pg_catalog.min(g.n) AS k, pg_catalog.count(*) AS groups FROM"
        f" (SELECT pg_catalog.count(*) AS n FROM {table.relation} AS t GROUP BY {grouped}) AS g"
    )
    return dict(table_access.on_table(db, table.oid, lambda: db.query_unprepared(query))[0])
