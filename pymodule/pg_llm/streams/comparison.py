"""Scores that compare rows with those that a table had before: novelty of an embedding, drift of shares.

Novelty is the cosine distance to the nearest of the last rows (k-nearest-neighbour outlier detection, Ramaswamy et al.
2000). Drift is the population stability index of a window's counts by label against those of the windows before: twice
the mean of both Kullback-Leibler divergences (Jeffreys 1946), 0.1 being little and 0.25 much by custom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pg_llm.database import catalog
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident

METHODS = ("novelty", "drift")
TYPES = ("text",)


def query(db: Connection, definition: Mapping[str, Any], relation: str, time: str, labels: Sequence[str]) -> str:
    """A query with the score of each row in $1, a JSON array, in their order. Needs a pinned path.

    `time` is the column by which rows come before others, `labels` are the columns whose shares may drift.
    """
    if definition["method"] == "drift":
        score = _drift(definition, relation, time, labels)
    else:
        score = _novelty(db, definition, relation, time)
    return (
        "SELECT e.number, s.score::float8 AS score"
        " FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS e (item, number)"
        f" CROSS JOIN LATERAL jsonb_populate_record(NULL::{relation}, e.item) AS r"
        f" CROSS JOIN LATERAL ({score}) AS s ORDER BY e.number"
    )


def _novelty(db: Connection, definition: Mapping[str, Any], relation: str, time: str) -> str:
    value, at = quote_ident(definition["value"]), quote_ident(time)
    return (
        f"SELECT CASE WHEN count(*) >= {definition['least']} THEN min(n.distance) END AS score FROM ("
        f" SELECT t.{value} OPERATOR({catalog.schema_of(db, 'vector')}.<=>) r.{value} AS distance FROM {relation} AS t"
        f" WHERE t.{at} < r.{at} AND t.{value} IS NOT NULL{_same_group(definition)}"
        f" ORDER BY t.{at} DESC LIMIT {definition['last']}) AS n"
    )


def _drift(definition: Mapping[str, Any], relation: str, time: str, labels: Sequence[str]) -> str:
    value, at, group = quote_ident(definition["value"]), quote_ident(time), _same_group(definition)
    label = f"jsonb_build_array({', '.join(f't.{quote_ident(name)}' for name in labels)})"
    # Half a row more for each label, so that one that is new has a share before.
    now = "(c.now + 0.5) / (sum(c.now) OVER () + 0.5 * count(*) OVER ())"
    past = "(c.past + 0.5) / (sum(c.past) OVER () + 0.5 * count(*) OVER ())"
    return f"""
        SELECT CASE WHEN min(p.now) >= {definition["least"]} AND min(p.past) >= {definition["least"]}
               THEN sum((p.share - p.before) * ln(p.share / p.before)) END AS score
        FROM (
            SELECT {now} AS share, {past} AS before, sum(c.now) OVER () AS now, sum(c.past) OVER () AS past
            FROM (
                SELECT coalesce(sum(greatest(t.{value}, 0)) FILTER (WHERE t.{at} = r.{at}), 0)::float8 AS now,
                       coalesce(sum(greatest(t.{value}, 0)) FILTER (WHERE t.{at} < r.{at}), 0)::float8 AS past
                FROM {relation} AS t
                WHERE (t.{at} = r.{at} OR t.{at} IN (
                    SELECT DISTINCT t.{at} FROM {relation} AS t WHERE t.{at} < r.{at}{group}
                    ORDER BY t.{at} DESC LIMIT {definition["last"]}
                )){group} GROUP BY {label}
            ) AS c
        ) AS p
    """


def _same_group(definition: Mapping[str, Any]) -> str:
    names = [quote_ident(name) for name in definition["group"]]
    return "".join(f" AND t.{name}::text IS NOT DISTINCT FROM r.{name}::text" for name in names)
