"""Knowledge graphs: reading texts, one thing under several names, missing relations, the cost of questions and changes.

PART=speed (relations, resolution, reasoning, speed) measures one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import graph_reasoning
import graph_relations
import graph_resolution
import graph_speed
import psycopg
from database import install
from workbench.bench import parts, shown
from workbench.cluster import Cluster

PARTS: dict[str, tuple[Callable[[psycopg.Connection], Iterator[dict[str, Any]]], ...]] = {
    "relations": (graph_relations.measured,),
    "resolution": (graph_resolution.measured,),
    "reasoning": (graph_reasoning.measured,),
    "speed": (graph_speed.questions, graph_speed.changes),
}


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Every part in a database of its own."""
    found = []
    for part in parts(PARTS):
        cluster.sql(f"CREATE DATABASE bench_{part}")
        install(host=cluster.host, port=cluster.port, user="postgres", password=None, dbname=f"bench_{part}")
        with psycopg.connect(cluster.dsn(f"bench_{part}"), autocommit=True) as db:
            for measured in PARTS[part]:
                found += shown(measured(db))
    return found
