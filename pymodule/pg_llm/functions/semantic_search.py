"""SQL: semantic search: vectors, full text, or both fused by their scores, over a table with a semantic index."""

from __future__ import annotations

from dataclasses import replace

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.search import hybrid_search


@sql_function
def semantic_search(
    db: Connection,
    query: str | None,
    target: str | None,
    k: int | None,
    mode: str | None,
    filter: str | None,
    name: str | None,
    group_by: str | None,
    min_score: float | None,
    rerank: str | None,
    rerank_k: int | None,
) -> list[hybrid_search.Result]:
    """The k rows of a table that best match a query, best first: primary key, score, row and the best passage."""
    request = _request(k, filter, group_by, min_score)
    request = replace(request, rerank=rerank, rerank_k=_number("rerank_k", rerank_k))
    mode = arguments.choice("mode", mode, hybrid_search.MODES)
    return hybrid_search.search(db, query, arguments.required("target", target), name, mode, request)


@sql_function
def semantic_search_by(
    db: Connection,
    embedding: str | None,
    target: str | None,
    k: int | None,
    filter: str | None,
    name: str | None,
    group_by: str | None,
    min_score: float | None,
) -> list[hybrid_search.Result]:
    """The k rows of a table whose passages are nearest to a vector, nearest first, as semantic_search gives them."""
    request = _request(k, filter, group_by, min_score)
    return hybrid_search.search_by(db, embedding, arguments.required("target", target), name, request)


def _request(k: int | None, filter: str | None, group_by: str | None, min_score: float | None) -> hybrid_search.Request:
    group_by = arguments.choice("group_by", group_by, hybrid_search.GROUPS)
    return hybrid_search.Request(_number("k", k), filter, group_by, min_score)


def _number(name: str, value: int | None) -> int:
    value = arguments.required(name, value)
    if not 0 <= value <= hybrid_search.MAX_RESULTS:
        raise InvalidInput(f"{name} is {value}, and must be from 0 to {hybrid_search.MAX_RESULTS}")
    return value
