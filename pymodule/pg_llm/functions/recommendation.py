"""SQL: recommendations: what a user wants next, from the events there are at this moment."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.recommend.ranking import MAX_ITEMS, Recommendation, RecommendationQuery


@sql_function
def recommend(
    db: Connection,
    user_id: str | None,
    k: int | None,
    recommender: str | None,
    exclude_seen: bool | None,
    filter: str | None,
    diversity: float | None,
) -> list[Recommendation]:
    """The k items that a user most probably wants next, best first, after the events there are at this moment."""
    query = _query(db, recommender, k, exclude_seen, filter, diversity)
    return query.lists([query.history(user_id)])[0] if user_id is not None else []


@sql_function
def recommend_for(
    db: Connection,
    items: list[str | None] | None,
    k: int | None,
    recommender: str | None,
    exclude_seen: bool | None,
    filter: str | None,
    diversity: float | None,
) -> list[Recommendation]:
    """As recommend(), for a session without a user: after these items, the latest last."""
    query = _query(db, recommender, k, exclude_seen, filter, diversity)
    query.check_readable()
    history = [item for item in reversed(arguments.texts(items)) if item is not None]
    return query.lists([history])[0]


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
    query = _query(db, recommender, k, exclude_seen, filter, diversity)
    users = [user for user in arguments.texts(user_ids) if user is not None]
    lists = query.lists([query.history(user) for user in users])
    return [(user, rank, *item) for user, items in zip(users, lists, strict=True) for rank, item in enumerate(items, 1)]


@sql_function
def similar_items(db: Connection, item: str | None, k: int | None, recommender: str | None) -> list[tuple[str, float]]:
    """The k items whose vectors are most like that of an item, by cosine from -1 to 1; none for an unknown item."""
    query = RecommendationQuery(db, recommender, _checked_limit(k))
    query.check_readable()
    return [] if item is None else query.similar(item)


def _query(
    db: Connection,
    recommender: str | None,
    k: int | None,
    exclude_seen: bool | None,
    filter: str | None,
    diversity: float | None,
) -> RecommendationQuery:
    limit = _checked_limit(k)
    if diversity is None or not 0 <= diversity <= 1:
        raise InvalidInput("diversity must lie between 0 and 1", hint="0 is the best items, 1 the most varied.")
    return RecommendationQuery(db, recommender, limit, exclude_seen is not False, filter, diversity)


def _checked_limit(k: int | None) -> int:
    if k is None or not 0 <= k <= MAX_ITEMS:
        raise InvalidInput(f"k must lie between 0 and {MAX_ITEMS}")
    return k
