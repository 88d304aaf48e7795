"""Whose rows a graph may speak of: the source's own row-level security decides, row by row where it is on."""

from __future__ import annotations

import functools

from pg_llm.functions import graph_source, session
from pg_llm.functions.session import sql_function


@sql_function
def readable_graph_sources(whole: bool | None) -> list[int]:
    """The sources of graphs whose every row the caller may read, or those where row-level security decides."""
    query = "SELECT coalesce(array_agg(s.id), '{}') AS ids FROM llm.readable_graph_source AS s WHERE s.whole = $1"
    return list(session.rows(query, ("bool",), (whole,))[0]["ids"])


@sql_function
def graph_row_readable(source: int | None, key: str | None) -> bool:
    """Whether the caller's row-level security shows a row that a graph has read; the views of graphs call it."""
    if source is None or key is None:
        return False
    found = session.rows(
        "SELECT s.target::oid::int8 AS target, s.target::text AS relation, s.mapping::text AS mapping"
        # Triples that were imported are of no row: where rows are hidden they are.
        " FROM llm.graph_source AS s WHERE s.id = $1 AND s.kind <> 'import'",
        ("int4",),
        (source,),
    )
    return bool(found) and bool(session.rows(_probe(source, *found[0].values()), ("text",), (key,))[0]["there"])


@functools.lru_cache(maxsize=256)
def _probe(source: int, target: int, relation: str, mapping: str | None) -> str:
    """The query, found once for as long as the source stays what it is."""
    return graph_source.numbered(source).probe
