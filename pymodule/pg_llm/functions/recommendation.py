"""SQL: recommendations: what a user wants next, from the events there are at this moment."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.recommend import ranking


@sql_function
def recommend(
    db: Connection,
    user_id: str | None,
    k: int | None,
    recommender: str | None,
    exclude_seen: bool | None,
    filter: str | None,
    diversity: float | None,
) -> list[ranking.Found]:
    """The k items that a user most probably wants next, best first, after the events there are at this moment."""
    return ranking.recommend(db, user_id, k, recommender, exclude_seen, filter, diversity)


@sql_function
def recommend_for(
    db: Connection,
    items: list[str | None] | None,
    k: int | None,
    recommender: str | None,
    exclude_seen: bool | None,
    filter: str | None,
    diversity: float | None,
) -> list[ranking.Found]:
    """As recommend(), for a session without a user: after these items, the latest last."""
    return ranking.recommend_for(db, items, k, recommender, exclude_seen, filter, diversity)


@sql_function
def recommend_batch(
    db: Connection,
    user_ids: list[str | None] | None,
    k: int | None,
    recommender: str | None,
    exclude_seen: bool | None,
    filter: str | None,
    diversity: float | None,
) -> list[tuple[str, int, str, float, str]]:
    """What recommend() gives for each of many users, with the place in the list from 1."""
    return ranking.recommend_batch(db, user_ids, k, recommender, exclude_seen, filter, diversity)


@sql_function
def similar_items(db: Connection, item: str | None, k: int | None, recommender: str | None) -> list[tuple[str, float]]:
    """The k items whose vectors are most like that of an item, by cosine from -1 to 1; none for an unknown item."""
    return ranking.similar_items(db, item, k, recommender)
