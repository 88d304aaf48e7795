"""Query plans: EXPLAIN without running the statement, and the tables that its scans read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pg_llm.database import models, search_path
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.errors import InvalidInput

Node = dict[str, Any]

_EXPLAIN = "EXPLAIN (VERBOSE, FORMAT JSON) "
_HINT = "Give one SELECT, as it would be run, with values in place of parameters."
# System catalogs already have the indexes that PostgreSQL gives them.
_TABLE = """
    SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name, c.reltuples::float8 AS row_count,
           c.relispartition AS is_partition, coalesce(pg_partition_root(c.oid), c.oid)::regclass::text AS root
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND c.oid >= 16384 AND c.relkind IN ('r', 'm')
"""


class Suggestion(NamedTuple):
    """A row of advice: what to do, the planner's costs before and after (None if unknown), and the evidence."""

    kind: str
    action: str
    cost_before: float
    cost_after: float | None
    evidence: str


@dataclass(frozen=True, slots=True)
class PlanTable:
    """A table that a plan reads; `root` is its partitioned table, or itself."""

    oid: int
    name: str
    row_count: float
    is_partition: bool
    root: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan tree of a statement that was not run."""

    tree: Node

    @property
    def cost(self) -> float:
        """The total cost in the planner's units."""
        return float(self.tree["Total Cost"])

    def nodes(self) -> Iterator[Node]:
        """All nodes, the root first."""
        yield from subtree(self.tree)

    def scans(self, db: Connection) -> list[tuple[Node, PlanTable]]:
        """The nodes that scan user tables, with the table."""
        return [
            (node, PlanTable(**row))
            for node in self.nodes()
            if "Relation Name" in node
            for row in db.rows(_TABLE, ("text", "text"), (node["Schema"], node["Relation Name"]))
        ]


def subtree(node: Node) -> Iterator[Node]:
    """A node and all nodes below it, breadth first."""
    pending = [node]
    while pending:
        current = pending.pop(0)
        yield current
        pending += current.get("Plans", [])


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT with the search path that it is meant for; our own queries run under the pinned path."""

    db: Connection
    text: str
    path: str

    @contextlib.contextmanager
    def caller_search_path(self) -> Iterator[None]:
        """Run the block under the caller's search path."""
        search_path.set_local(self.db, self.path)
        yield
        # No `finally` needed: after an error, the rollback restores the setting.
        search_path.set_local(self.db, search_path.PINNED)

    def explain(self) -> Plan:
        """The plan. Errors of PostgreSQL are raised."""
        with self.caller_search_path():
            (row,) = self.db.execute(_EXPLAIN + self.text)
        tree = row["QUERY PLAN"]
        return Plan((json.loads(tree) if isinstance(tree, str) else tree)[0]["Plan"])

    def try_explain(self) -> Plan | None:
        """The plan of a rewritten statement; None if a name or operator means something else in this database."""
        try:
            with self.db.savepoint():
                return self.explain()
        except DatabaseError as error:
            # Class 42: the syntax tree alone could not tell that.
            if not error.sqlstate.startswith("42"):
                raise
            return None

    def explain_callers(self) -> Plan:
        """The plan of the caller's statement. Raises InvalidInput with the position of a mistake in it."""
        try:
            return self.explain()
        except DatabaseError as error:
            # Only mistakes in the statement; others, as missing rights, are reported as they are.
            if not error.sqlstate.startswith("42") or error.sqlstate == "42501":
                raise
            index = f", at character {error.position - len(_EXPLAIN)}" if error.position else ""
            failure = InvalidInput(f"{error}{index}", hint=error.hint or _HINT, detail=error.detail)
            failure.sqlstate = error.sqlstate
            raise failure from None


def analyze(db: Connection, analyzer: str, texts: Sequence[str]) -> list[list[dict[str, Any]]]:
    """The host's analysis of each text: a statement's rewrites, a condition's terms or model calls, or a sort key."""
    return (
        [json.loads(result) for result in models.run_without_model(db, "optimization", texts, read=analyzer)]
        if texts
        else []
    )
