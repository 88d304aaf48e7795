"""SQL: AI columns: an expression over a table whose values are kept beside it, with corrections by people."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.columns import correction, lifecycle, upkeep
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_column(
    db: Connection, target: str | None, column: str | None, expression: str | None, sync: str | None, name: str | None
) -> None:
    """Keep the value of an expression for each row of a table beside it, computed again where an input changes."""
    lifecycle.create(
        db,
        arguments.required("target", target),
        arguments.required("column", column),
        arguments.required("expression", expression),
        arguments.choice("sync", sync, lifecycle.SYNCS),
        name,
    )


@sql_function
def llm_refresh_column(db: Connection, target: str | None, column: str | None) -> None:
    """Compute the rows of an AI column whose value is missing, stale or failed."""
    lifecycle.refresh(db, target, column)


@sql_function
def llm_drop_column(db: Connection, target: str | None, column: str | None) -> None:
    """Remove an AI column with its values and corrections."""
    lifecycle.drop(db, target, column)


@sql_function
def llm_column_view(db: Connection, target: str | None, name: str | None) -> None:
    """Make a view that shows a table with its AI columns, each reader the rows that they may see."""
    lifecycle.create_view(db, target, name)


@sql_function
def llm_correct(db: Connection, target: str | None, column: str | None, key: str | None, value: str | None) -> None:
    """Set the value of an AI column for one row, for good; NULL takes a correction back."""
    correction.correct(db, target, arguments.required("column", column), arguments.required("key", key), value)


@sql_function
def llm_corrections(db: Connection, target: str | None, column: str | None) -> list[dict[str, Any]]:
    """Text and right label of each corrected row, as llm_fit takes them."""
    return correction.corrections(db, target, column)


@sql_function
def follow_column(db: Connection, trigger: dict[str, Any]) -> None:
    """Statement trigger of a live AI column: computes the rows that changed, with the rights of the table's owner."""
    upkeep.follow(db, trigger)
