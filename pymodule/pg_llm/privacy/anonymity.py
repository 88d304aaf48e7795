"""k-anonymity (Samarati and Sweeney 1998) and l-diversity (Machanavajjhala et al. 2006) of what outsiders may know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.database import catalog, table_access
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput


def names(columns: Sequence[str | None] | None) -> list[str]:
    """The columns that outsiders may know, each once. Raises InvalidInput for none."""
    given = [name for name in dict.fromkeys(columns or ()) if name is not None]
    if not given:
        raise InvalidInput("quasi_identifiers must name columns", hint="Write '{age,postcode}'.")
    return given


def k(db: Connection, target: str, columns: Sequence[str | None] | None) -> dict[str, Any]:
    """The size of the smallest group of rows that are alike in these columns, and the number of groups.

    NULL is alike to NULL. An empty table has no group, and k is NULL.
    """
    known = names(columns)
    table = catalog.relation(db, target, key=known)
    grouped = ", ".join(table.text(name) for name in known)
    query = (
        "SELECT pg_catalog.min(g.n) AS k, pg_catalog.count(*) AS groups FROM"
        f" (SELECT pg_catalog.count(*) AS n FROM {table.relation} AS t GROUP BY {grouped}) AS g"
    )
    return dict(table_access.on_table(db, table.oid, lambda: db.query_unprepared(query))[0])


def l_diversity(db: Connection, target: str, columns: Sequence[str | None] | None, sensitive: str) -> dict[str, Any]:
    """Distinct l-diversity: how many values of the sensitive column each group has at least; NULL is a value too."""
    known = names(columns)
    table = catalog.relation(db, target, key=[*known, sensitive])
    grouped = ", ".join(table.text(name) for name in known)
    value = table.text(sensitive)
    query = (
        "SELECT pg_catalog.min(g.n) AS l, pg_catalog.count(*) AS groups FROM (SELECT pg_catalog.count(DISTINCT"
        f" {value}) + pg_catalog.max(CASE WHEN {value} IS NULL THEN 1 ELSE 0 END) AS n"
        f" FROM {table.relation} AS t GROUP BY {grouped}) AS g"
    )
    return dict(table_access.on_table(db, table.oid, lambda: db.query_unprepared(query))[0])
