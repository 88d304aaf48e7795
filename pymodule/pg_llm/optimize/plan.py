"""Plans: a statement explained without being run, and what its scans read and ask for."""

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
# Catalogs have the indexes that PostgreSQL gives them.
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
    """A table that a plan reads; `root` is the partitioned table that it is part of, or itself."""

    oid: int
    name: str
    row_count: float
    is_partition: bool
    root: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The planner's tree for a statement; nothing of it was run."""

    tree: Node

    @property
    def cost(self) -> float:
        """Of all rows, in the planner's units."""
        return float(self.tree["Total Cost"])

    def nodes(self) -> Iterator[Node]:
        """Every node, the root first."""
        yield from subtree(self.tree)

    def scans(self, db: Connection) -> list[tuple[Node, PlanTable]]:
        """The nodes that read a table of somebody's, with that table."""
        return [
            (node, PlanTable(**row))
            for node in self.nodes()
            if "Relation Name" in node
            for row in db.rows(_TABLE, ("text", "text"), (node["Schema"], node["Relation Name"]))
        ]


def subtree(node: Node) -> Iterator[Node]:
    """A node and all that it takes its rows from."""
    pending = [node]
    while pending:
        current = pending.pop(0)
        yield current
        pending += current.get("Plans", [])


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT and the search path that it is meant with; while it is looked at, another one is pinned."""

    db: Connection
    text: str
    path: str

    @contextlib.contextmanager
    def caller_search_path(self) -> Iterator[None]:
        """While the block runs, names mean what they mean to the caller."""
        search_path.set_local(self.db, self.path)
        yield
        # Not after an error: the subtransaction or transaction that ends takes the setting along.
        search_path.set_local(self.db, search_path.PINNED)

    def explain(self) -> Plan:
        """The plan. Raises what PostgreSQL raises."""
        with self.caller_search_path():
            (row,) = self.db.execute(_EXPLAIN + self.text)
        tree = row["QUERY PLAN"]
        return Plan((json.loads(tree) if isinstance(tree, str) else tree)[0]["Plan"])

    def try_explain(self) -> Plan | None:
        """The plan of a statement that pg_llm wrote; None where the caller's names do not allow it."""
        try:
            with self.db.savepoint():
                return self.explain()
        except DatabaseError as error:
            # The text alone could not tell that a name or an operator means something else here.
            if not error.sqlstate.startswith("42"):
                raise
            return None

    def explain_callers(self) -> Plan:
        """The plan of the caller's own statement. Raises InvalidInput with the position of what is wrong in it."""
        try:
            return self.explain()
        except DatabaseError as error:
            # Only what is wrong with the statement itself; a missing right, say, is told as it is.
            if not error.sqlstate.startswith("42") or error.sqlstate == "42501":
                raise
            place = f", at character {error.position - len(_EXPLAIN)}" if error.position else ""
            failure = InvalidInput(f"{error}{place}", hint=error.hint or _HINT, detail=error.detail)
            failure.sqlstate = error.sqlstate
            raise failure from None


def analyze(db: Connection, analyzer: str, texts: Sequence[str]) -> list[list[dict[str, Any]]]:
    """What the host reads from each text: a statement, a condition, calls of models in one, or a sort key."""
    return (
        [json.loads(result) for result in models.run_without_model(db, "optimization", texts, read=analyzer)]
        if texts
        else []
    )
