"""SQL: recommenders: made from events, learnt on, measured, dropped."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.recommend import fitting


@sql_function
def llm_fit_recommender(
    db: Connection,
    name: str | None,
    events: str | None,
    user_column: str | None,
    item_column: str | None,
    time_column: str | None,
    weight_column: str | None,
    items: str | None,
    item_key: str | None,
    item_text: str | None,
    options: Any,
) -> dict[str, Any]:
    """Learn from events (a table or a query) which items users want next; returns what was measured on last events."""
    definition = fitting.Definition(
        name,
        arguments.required("events", events),
        arguments.required("user_column", user_column),
        arguments.required("item_column", item_column),
        arguments.required("time_column", time_column),
        weight_column,
        items,
        item_key,
        item_text,
    )
    return fitting.fit(db, definition, arguments.options(options))


@sql_function
def llm_refit(db: Connection, name: str | None, options: Any) -> dict[str, Any]:
    """Learn on from the events there are now, and take in new items; until it commits the old state answers."""
    return fitting.refit(db, arguments.required("name", name), arguments.options(options))


@sql_function
def llm_evaluate_recommender(db: Connection, name: str | None, k: int | None) -> list[dict[str, Any]]:
    """How well lists of k items held users' last events, kept back; beside popularity and neighbours of items."""
    if k is None or not 1 <= k <= fitting.MAX_LIST_LENGTH:
        raise InvalidInput(f"k must lie between 1 and {fitting.MAX_LIST_LENGTH}")
    return fitting.evaluate(db, arguments.required("name", name), k)


@sql_function
def llm_drop_recommender(db: Connection, name: str | None) -> None:
    """Remove a recommender, its table and its model."""
    fitting.drop(db, arguments.required("name", name))
